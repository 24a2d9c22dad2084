"""Which rows a run takes: decided by keys, partitions and split, not by how files lie."""

import zlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pytest
from deltalake import WriterProperties, write_deltalake

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import BadInputError
from millrace_train.rows import Selection, read_rows, select_rows

Rows: TypeAlias = list[dict[str, Any]]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]


def keys_of(selection: Selection) -> list[str]:
    return sorted(key for batch, _ in read_rows(selection, ["id"]) for key in batch.column(0).to_pylist())


def lowest(rows: Rows, split: str, count: int) -> list[str]:
    keys = [row["id"] for row in rows if row["split_"] == split]
    return sorted(sorted(keys, key=lambda key: zlib.crc32(key.encode()))[:count])


def test_a_cap_takes_the_keys_that_hash_lowest(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    rows = make_text_rows(400)
    version = write_table(rows)
    for count in (1, 7, 50):
        selection = select_rows(version, "train", "id", count)
        assert selection.rows == count
        assert keys_of(selection) == lowest(rows, "train", count)


def test_the_same_rows_whatever_the_layout(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    rows = make_text_rows(400)
    shuffled = [
        {**row, "partition_": date(2024, 2, 1) + timedelta(days=index % 9)} for index, row in enumerate(rows[::-1])
    ]
    first, second = write_table(rows, "first"), write_table(shuffled, "second")
    assert keys_of(select_rows(first, "train", "id", 40)) == keys_of(select_rows(second, "train", "id", 40))


def test_without_a_cap_a_split_is_whole(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    rows = make_text_rows(200)
    version = write_table(rows)
    for split in ("train", "validation", "test"):
        selection = select_rows(version, split, "id")
        assert keys_of(selection) == sorted(row["id"] for row in rows if row["split_"] == split)
        assert selection.rows == len(keys_of(selection))


@pytest.mark.parametrize("piece_bytes", [1, 2_000, 1 << 30])
def test_rows_come_once_and_in_order_however_many_row_groups_are_fetched_together(
    tmp_path: Path, make_text_rows: MakeRows, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr("millrace_train.rows._PIECE_BYTES", piece_bytes)
    rows = [{**row, "partition_": date(2024, 1, 1)} for row in make_text_rows(300)]
    small_groups = WriterProperties(max_row_group_size=16)
    write_deltalake(tmp_path, pa.Table.from_pylist(rows), partition_by=["partition_"], writer_properties=small_groups)
    version = DatasetVersion(workload="tiny", uri=tmp_path.as_uri(), version=0, until=date(2024, 1, 1))
    read = [batch.to_pylist() for batch, _ in read_rows(Selection(version, "test", "id", 2**32 - 1, 0), ["id", "text"])]
    wanted = [{"id": row["id"], "text": row["text"]} for row in rows if row["split_"] == "test"]
    assert [row for batch in read for row in batch] == wanted


def test_a_cap_above_the_split_takes_all(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    rows = make_text_rows(60)
    selection = select_rows(write_table(rows), "train", "id", 10_000)
    assert selection.rows == sum(row["split_"] == "train" for row in rows)
    assert len(keys_of(selection)) == selection.rows


def test_keys_that_share_a_hash_stay_together(write_table: WriteTable) -> None:
    # CRC-32 of both keys is the same number.
    twins = ("plumless", "buckeroo")
    assert zlib.crc32(twins[0].encode()) == zlib.crc32(twins[1].encode())
    row = {"split_": "train", "partition_": date(2024, 1, 1)}
    version = write_table([{"id": key, **row} for key in twins])
    assert select_rows(version, "train", "id", 1).rows == 0
    assert keys_of(select_rows(version, "train", "id", 2)) == sorted(twins)


@pytest.mark.parametrize("as_text", [False, True])
def test_partitions_after_the_last_one_are_left_out(
    write_table: WriteTable, make_text_rows: MakeRows, as_text: bool
) -> None:
    rows = make_text_rows(90)
    last = date(2024, 1, 2)
    stored = [{**row, "partition_": row["partition_"].isoformat()} for row in rows] if as_text else rows
    version = write_table(stored, until=last)
    expected = sorted(row["id"] for row in rows if row["split_"] == "train" and row["partition_"] <= last)
    assert keys_of(select_rows(version, "train", "id")) == expected
    assert len(expected) < sum(row["split_"] == "train" for row in rows)


def test_a_version_that_is_not_there(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    version = write_table(make_text_rows(10))
    with pytest.raises(BadInputError, match="version"):
        select_rows(version.model_copy(update={"version": 7}), "train", "id")
    with pytest.raises(BadInputError):
        select_rows(version.model_copy(update={"uri": version.uri + "-gone"}), "train", "id")


def test_columns_come_as_asked_for(write_table: WriteTable, make_text_rows: MakeRows) -> None:
    selection = select_rows(write_table(make_text_rows(30)), "train", "id", 5)
    for batch, hashes in read_rows(selection, ["labels", "text"]):
        assert batch.schema.names == ["labels", "text"]
        assert len(hashes) == batch.num_rows
        assert pa.types.is_string(batch.schema.field("text").type)
