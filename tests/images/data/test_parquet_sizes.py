"""Parquet files whose few bytes are many in memory."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.contracts.errors import BadInputError
from millrace_data import parquet
from millrace_data.parquet import batches
from millrace_data.streams import Digest

BLOCK_BYTES = 2 << 20
ROWS = 2000
LONG = "a" * 1_000_000
Found = Callable[..., list[pa.RecordBatch]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """The batches of a table that was written to Parquet; ``v`` is the column beside id and label."""

    def read(kind: str, values: pa.Array, **options: object) -> list[pa.RecordBatch]:
        count = len(values)
        table = pa.table({"id": pa.array(range(count)), "label": pa.array(["x", "y"] * count)[:count], "v": values})
        path = tmp_path / "2026-01-01.parquet"
        pq.write_table(table, path, **{"compression": "zstd", **options})
        dataset = Dataset(
            source=Source(uri_template=f"{tmp_path.as_uri()}/{{partition}}.parquet", format="parquet", quiet_seconds=0),
            columns=(
                Column(name="id", type="int64"),
                Column(name="label", type="string"),
                Column(name="v", type=kind, nullable=True),
            ),
            features=("id",),
            target=Target(column="label", kind="single_label", labels=("x", "y")),
            split=Split(key="id"),
        )
        return [batch for batch, _ in batches(path.as_uri(), dataset, Digest(dataset), BLOCK_BYTES)]

    return read


def repeated(value: object) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([value]))


@pytest.mark.parametrize("store_schema", [True, False])
@pytest.mark.parametrize(("kind", "value"), [("string", LONG), ("binary", LONG.encode())])
def test_a_long_value_in_many_rows_is_decoded_a_few_rows_at_a_time(
    found: Found, kind: str, value: object, store_schema: bool
) -> None:
    rows = 0
    for batch in found(kind, repeated(value).slice(0, 200), store_schema=store_schema):
        assert batch.nbytes <= parquet.MAX_BATCH_BYTES + 2 * len(LONG)
        assert set(batch.column("v").to_pylist()) == {value}
        rows += batch.num_rows
    assert rows == 200


def test_short_values_are_read_in_large_batches_whatever_the_row_groups(found: Found) -> None:
    values = pa.array([f"value {number % 50}" for number in range(100_000)])
    read = found("string", values, row_group_size=40_000)
    assert pa.concat_arrays([batch.column("v") for batch in read]).equals(values)
    assert len(read) == 3


def test_more_in_memory_than_a_thousand_times_the_file_is_refused(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ALWAYS_TAKEN_BYTES", 100_000_000)
    with pytest.raises(BadInputError, match="in memory") as refused:
        found("string", repeated(LONG))
    assert "1,000 bytes for each" in refused.value.rule


@pytest.mark.parametrize(
    ("kind", "values", "options"),
    [
        ("list<int64>", pa.array([[7] * 400_000, [], None]), {}),
        ("list<string>", pa.ListArray.from_arrays([0, ROWS], repeated(LONG[:10_000])), {}),
        ("int64", pa.array([0] * 1_000_000), {"use_dictionary": False, "data_page_size": 64 << 20}),
    ],
)
def test_what_cannot_be_read_in_parts_is_bounded(
    found: Found, monkeypatch: pytest.MonkeyPatch, kind: str, values: pa.Array, options: dict[str, object]
) -> None:
    assert sum(batch.num_rows for batch in found(kind, values, **options)) == len(values)
    monkeypatch.setattr(parquet, "MAX_CHUNK_BYTES", 1_000_000)
    with pytest.raises(BadInputError, match="row group 0 takes") as refused:
        found(kind, values, **options)
    assert "2026-01-01.parquet, column '" in refused.value.where
