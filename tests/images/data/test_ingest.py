import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash  # type: ignore[import-not-found]

from millrace.contracts.data import Column, Dataset, Split, StagedPartition, Window
from millrace.contracts.errors import BadInputError, InterruptedStepError
from millrace.contracts.report import IngestResult
from millrace.contracts.run_spec import IngestTask, RunSpec
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace_data.ingest import ingest

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]
RowsOf = Callable[[StagedPartition], list[dict[str, Any]]]
MakeSpec = Callable[..., RunSpec]
Days = Callable[[int], list[date]]

FORMATS = [
    ("jsonl", ""),
    ("jsonl", ".gz"),
    ("jsonl", ".zst"),
    ("csv", ""),
    ("csv", ".gz"),
    ("tsv", ".zst"),
    ("parquet", ""),
]


@pytest.mark.parametrize(("source_format", "ending"), FORMATS)
def test_every_format_and_compression_stages_the_same_rows(
    text_dataset: MakeDataset,
    text_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    rows_of: RowsOf,
    source_format: str,
    ending: str,
) -> None:
    dataset = text_dataset(source_format, ending)
    arrive(dataset, text_rows(40))
    staged = stage(dataset)
    rows = rows_of(staged)
    assert [{name: row[name] for name in ("id", "text", "labels", "split")} for row in rows] == text_rows(40)
    assert {row["partition_"] for row in rows} == {date(2026, 1, 1)}
    assert (staged.rows, staged.duplicates) == (40, 0)
    assert staged.source_bytes == files.size_bytes(staged.source_uri)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_is_found_behind_the_plain_name(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, ending: str
) -> None:
    arrive(text_dataset("jsonl", ending), text_rows(40))
    staged = stage(text_dataset("jsonl"))
    assert staged.rows == 40
    assert staged.source_uri.endswith(f".jsonl{ending}")


def test_a_day_delivered_twice_is_refused(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage
) -> None:
    for ending in ("", ".gz"):
        arrive(text_dataset("jsonl", ending), text_rows(40))
    with pytest.raises(BadInputError, match=r"2 files of one day(?s:.*)\.jsonl, .*\.jsonl\.gz"):
        stage(text_dataset("jsonl"))


@pytest.mark.parametrize("source_format", ["jsonl", "csv", "tsv", "parquet"])
def test_numbers_bools_and_nulls_survive_every_format(
    number_dataset: MakeDataset,
    number_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    rows_of: RowsOf,
    source_format: str,
) -> None:
    dataset = number_dataset(source_format)
    rows = [*number_rows(30), {"id": -(2**63), "width": 0.1, "count": None, "known": True, "species": "x"}]
    arrive(dataset, rows)
    staged = [{name: row[name] for name in rows[0]} for row in rows_of(stage(dataset))]
    assert staged == rows


def test_columns_may_come_in_any_order_and_leave_in_the_declared_one(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage
) -> None:
    dataset = text_dataset("csv")
    arrive(dataset, b"split,labels,text,id\ntrain,a|b,hello,1\ntrain,,bye,2\n")
    table = pq.read_table(files.local_path(stage(dataset).file_uri))
    assert table.column_names == ["id", "text", "labels", "split", "split_", "partition_"]
    assert table["labels"].to_pylist() == [["a", "b"], []]
    assert table.schema.field("partition_").type == pa.date32()


def test_csv_keeps_line_breaks_and_quotes_inside_quotes(
    text_dataset: MakeDataset, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = text_dataset("csv")
    arrive(dataset, b'id,text,labels,split\n1,"one\ntwo, ""three""",a,train\n2,NULL,b,test\n')
    assert [row["text"] for row in rows_of(stage(dataset))] == ['one\ntwo, "three"', "NULL"]


def test_csv_with_a_lone_quote_inside_a_field_is_read(
    text_dataset: MakeDataset, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = text_dataset("csv")
    arrive(dataset, b'id,text,labels,split\n1,a 5" disk,a,train\n2,b,b,test\n')
    assert [row["text"] for row in rows_of(stage(dataset))] == ['a 5" disk', "b"]


def test_gzip_of_several_members_is_read_to_the_end(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage
) -> None:
    dataset = text_dataset("jsonl", ".gz")
    path = arrive(dataset, text_rows(10))
    more = "".join(json.dumps(row) + "\n" for row in text_rows(25)[10:])
    path.write_bytes(path.read_bytes() + gzip.compress(more.encode()))
    assert stage(dataset).rows == 25


def test_parquet_layouts_of_one_type_are_one_type(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = text_dataset("parquet")
    path = arrive(dataset, text_rows(12))
    table = pq.read_table(path)
    large = pa.schema(
        [
            ("id", pa.large_string()),
            ("text", pa.large_string()),
            ("labels", pa.large_list(pa.large_string())),
            ("split", pa.dictionary(pa.int32(), pa.string())),
        ]
    )
    pq.write_table(table.cast(large), path)
    assert [row["id"] for row in rows_of(stage(dataset))] == [f"doc-{number}" for number in range(12)]


def _content_digest(dataset: Dataset, path: Path) -> str:
    shaping: Any = {
        "source": {"format", "dialect"},
        "columns": True,
        "extra_columns": True,
        "split": True,
        "target": {"column", "kind", "labels"},
        "unique_by": True,
        "nulls_equal": True,
    }
    data = path.read_bytes()
    rules = dataset.model_dump_json(include=shaping)
    whole = f"{rules}\n{len(data)} {xxhash.xxh3_128_hexdigest(data)}\n"
    return hashlib.sha256(whole.encode()).hexdigest()


@pytest.mark.parametrize(("source_format", "ending"), FORMATS)
def test_content_digest_is_of_stored_bytes_and_rules(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, source_format: str, ending: str
) -> None:
    dataset = text_dataset(source_format, ending)
    path = arrive(dataset, text_rows(20))
    first = stage(dataset).content_sha256
    assert stage(dataset).content_sha256 == first
    assert first == _content_digest(dataset, path)
    other_rules = dataset.model_copy(update={"split": Split(key="id", column="split", validation_fraction=0.4)})
    assert stage(other_rules).content_sha256 != first
    arrive(dataset, text_rows(21))
    assert stage(dataset).content_sha256 != first


def test_digest_covers_a_file_of_many_blocks(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage
) -> None:
    dataset = text_dataset()
    path = arrive(dataset, [row | {"text": row["text"] + "x" * 1900} for row in text_rows(3000)])
    assert path.stat().st_size > 5 << 20
    staged = stage(dataset)
    assert staged.rows == 3000
    assert staged.content_sha256 == _content_digest(dataset, path)


def test_a_row_longer_than_a_block_is_read_when_its_column_allows_it(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    long = Column(name="text", type="string", max_length=3_000_000)
    dataset = text_dataset(columns=(text_dataset().columns[0], long, *text_dataset().columns[2:]))
    rows = text_rows(5)
    rows[3]["text"] = "ä€\n" * 1_000_000
    arrive(dataset, "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert [row["text"] for row in rows_of(stage(dataset))] == [row["text"] for row in rows]


def test_a_long_quoted_csv_record_is_read(
    text_dataset: MakeDataset, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    long = Column(name="text", type="string", max_length=3_000_000)
    dataset = text_dataset("csv", columns=(text_dataset().columns[0], long, *text_dataset().columns[2:]))
    text = 'say "yes",\n' * 200_000
    quoted = text.replace('"', '""')
    arrive(dataset, f'id,text,labels,split\n1,"{quoted}",a,train\n2,short,b,test\n'.encode())
    assert [row["text"] for row in rows_of(stage(dataset))] == [text, "short"]


def test_first_of_equal_rows_stays_and_the_others_are_counted(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    rows = text_rows(10)
    again = [row | {"id": f"again-{row['id']}"} for row in rows[2:5]]
    dataset = text_dataset()
    arrive(dataset, [*rows, *again])
    staged = stage(dataset)
    assert (staged.rows, staged.duplicates) == (10, 3)
    assert [row["id"] for row in rows_of(staged)] == [row["id"] for row in rows]
    assert stage(text_dataset(unique_by=())).rows == 13


def test_split_is_the_hash_of_the_key_and_the_source_keeps_its_test_rows(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, rows_of: RowsOf
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(300))
    for row in rows_of(stage(dataset)):
        expected = "validation" if zlib.crc32(row["id"].encode()) < 0.3 * 2**32 else "train"
        assert row["split_"] == ("test" if row["split"] == "test" else expected)


def test_window_lists_absent_days_and_skips_when_there_is_none(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, make_spec: MakeSpec, days: Days
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10), on=days(3)[1])
    window = Window(first=days(3)[0], last=days(3)[2])
    result = ingest(make_spec(dataset, IngestTask(window=window)), Stop())
    assert [staged.partition for staged in result.staged] == [days(3)[1]]
    assert result.absent == ("2026-01-01", "2026-01-03")
    empty = Window(first=days(3)[0], last=days(3)[0])
    with pytest.raises(Skip, match="no new data") as skip:
        ingest(make_spec(dataset, IngestTask(window=empty)), Stop())
    assert isinstance(skip.value.result, IngestResult)
    assert skip.value.result.absent == ("2026-01-01",), "beside parts that found something, this day is accounted for"


def test_a_day_that_fails_fails_the_window(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, make_spec: MakeSpec, days: Days
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10), on=days(2)[0])
    arrive(dataset, b"", on=days(2)[1])
    with pytest.raises(BadInputError, match="2026-01-02"):
        ingest(make_spec(dataset, IngestTask(window=Window(first=days(2)[0], last=days(2)[1]))), Stop())


class _StopsLater(Stop):
    """Asks to stop at the n-th check."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self.checks_left = checks

    def check(self, where: str) -> None:
        self.checks_left -= 1
        if self.checks_left < 0:
            self.request()
        super().check(where)


def test_asked_to_stop_in_the_middle_leaves_no_file(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, out_uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, [row | {"text": row["text"] + "x" * 1900} for row in text_rows(3000)])
    with pytest.raises(InterruptedStepError):
        stage(dataset, stop=_StopsLater(3))
    assert files.names(out_uri) == []
