import random
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millrace_data import deduplicate
from millrace_data.deduplicate import SeenRows, row_hashes


def _batch(rows: list[dict[str, object]], schema: pa.Schema | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schema)


@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_agrees_with_a_set_over_many_batches_and_growing_tables(
    monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(deduplicate, "_FIRST_SLOTS", 8)
    draw = random.Random(5)
    values = [f"text {draw.randrange(2500)}" for _ in range(4000)]
    seen, known, kept, expected = SeenRows(["text"]), set(), [], []
    for start in range(0, len(values), batch_rows):
        part = values[start : start + batch_rows]
        kept += seen.first_seen(_batch([{"text": text} for text in part])).tolist()
    for text in values:
        expected.append(text not in known)
        known.add(text)
    assert kept == expected
    assert seen.unique_rows == len(known)


@pytest.mark.parametrize(
    "kind",
    [pa.int64(), pa.float64(), pa.bool_(), pa.string(), pa.decimal128(9, 2), pa.date32(), pa.list_(pa.int64())],
    ids=str,
)
def test_no_rows_and_empty_lists_have_hashes_too(kind: pa.DataType) -> None:
    nothing = pa.record_batch([pa.array([], kind), pa.array([], kind)], names=["a", "b"])
    assert SeenRows(["a"]).first_seen(nothing).tolist() == []
    assert SeenRows(["a", "b"]).first_seen(nothing).tolist() == []
    empty = pa.record_batch([pa.array([[], []], pa.list_(kind))], names=["a"])
    assert SeenRows(["a"]).first_seen(empty).tolist() == [True, False]


def test_colliding_slots_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # All hashes begin at one slot, and share their lower half: only the upper half tells the rows apart.
    def collide(batch: pa.RecordBatch, _: object) -> np.ndarray:
        return np.array([[3, int(text)] for text in batch.column(0).to_pylist()], np.uint64)

    monkeypatch.setattr(deduplicate, "row_hashes", collide)
    monkeypatch.setattr(deduplicate, "_FIRST_SLOTS", 4)
    seen = SeenRows(["text"])
    draws = [[1, 2, 1, 3], [3, 4, 4, 5], [9, 8, 7, 6, 5, 4, 3, 2, 1]]
    kept = [seen.first_seen(_batch([{"text": str(value)} for value in draw])).tolist() for draw in draws]
    assert kept == [
        [True, True, False, True],
        [False, True, False, True],
        [True, True, True, True, False, False, False, False, False],
    ]


SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("count", pa.int64()),
        ("width", pa.float64()),
        ("flag", pa.bool_()),
        ("words", pa.list_(pa.string())),
    ]
)
BASE: dict[str, object] = {"text": "a", "count": 0, "width": 0.0, "flag": False, "words": ["a", "b"]}
OTHERS: list[dict[str, object]] = [
    {"text": ""},
    {"text": None},
    {"count": 1},
    {"count": -1},
    {"count": None},
    {"width": 1e-9},
    {"width": None},
    {"flag": True},
    {"flag": None},
    {"words": ["ab"]},
    {"words": ["b", "a"]},
    {"words": ["a", "b", ""]},
    {"words": []},
    {"words": None},
]


def test_every_column_type_tells_rows_apart_and_equal_rows_equal() -> None:
    rows = [BASE, *({**BASE, **other} for other in OTHERS)]
    hashes = row_hashes(_batch([*rows, *rows], SCHEMA), SCHEMA.names)
    found = Counter(map(bytes, hashes))
    assert len(found) == len(rows)
    assert set(found.values()) == {2}


def test_slices_and_negative_zero_hash_like_their_values() -> None:
    rows = [{**BASE, **other} for other in OTHERS]
    whole = row_hashes(_batch(rows, SCHEMA), SCHEMA.names)
    sliced = row_hashes(_batch(rows, SCHEMA).slice(3, 6), SCHEMA.names)
    assert (sliced == whole[3:9]).all()
    zeros = row_hashes(_batch([{"width": 0.0}, {"width": -0.0}]), ["width"])
    assert (zeros[0] == zeros[1]).all()


def test_rows_are_judged_by_the_named_columns_only() -> None:
    seen = SeenRows(["text"])
    assert seen.first_seen(_batch([{"text": "a", "n": 1}, {"text": "a", "n": 2}])).tolist() == [True, False]
    assert seen.first_seen(_batch([{"text": "a", "n": 3}])).tolist() == [False]


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
@pytest.mark.parametrize("nulls_equal", [False, True])
def test_rows_without_a_value_are_equal_only_where_that_is_asked(nulls_equal: bool, batch_rows: int) -> None:
    rows = [
        {"a": value, "b": number % 2, "n": number} for number, value in enumerate([None, "x", None, "x", None, "y"] * 4)
    ]
    seen = SeenRows(["a", "b"], nulls_equal)
    schema = pa.schema([("a", pa.string()), ("b", pa.int8()), ("n", pa.int64())])
    kept: list[int] = []
    for start in range(0, len(rows), batch_rows):
        batch = _batch(rows[start : start + batch_rows], schema)
        kept += batch.filter(pa.array(seen.first_seen(batch)))["n"].to_pylist()
    expected, known = [], set()
    for row in rows:
        key = (row["a"], row["b"])
        if key not in known or (row["a"] is None and not nulls_equal):
            expected.append(row["n"])
        known.add(key)
    assert kept == expected
    assert seen.unique_rows == len({key for key in known if key[0] is not None or nulls_equal})


TYPES: dict[pa.DataType, list[Any]] = {
    pa.int8(): [0, -1, 127, None],
    pa.uint64(): [0, 1, 2**64 - 1, 2**63, None],
    pa.float32(): [0.5, -0.5, 0.1, None],
    pa.decimal128(38, 2): [0, 1, -1, 10**30, None],
    pa.date32(): [0, 1, -1, None],
    pa.timestamp("us", "UTC"): [0, 1, -1, None],
    pa.binary(): [b"", b"\x00", b"\x00\x00", None],
    pa.list_(pa.list_(pa.uint8())): [[], [[]], [[], []], [[0]], [[0], []], None],
}


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_values_of_every_type_are_told_apart(kind: pa.DataType) -> None:
    values = TYPES[kind] * 2
    batch = pa.record_batch({"v": pa.array(values, kind)})
    found = Counter(map(bytes, row_hashes(batch, ["v"])))
    assert len(found) == len(values) // 2
    assert set(found.values()) == {2}
    sliced = row_hashes(batch.slice(1, 5), ["v"])
    assert (sliced == row_hashes(batch, ["v"])[1:6]).all()


@pytest.mark.parametrize(
    ("staged", "published"),
    [(pa.uint8(), pa.int16()), (pa.uint32(), pa.int64()), (pa.uint64(), pa.decimal128(20, 0))],
)
def test_a_value_has_one_hash_in_staging_and_in_the_table(staged: pa.DataType, published: pa.DataType) -> None:
    values = pa.array([0, 1, 200, None], staged)
    lists = pa.array([[0, 200], [], None], pa.list_(staged))
    for one, other in ((values, values.cast(published)), (lists, lists.cast(pa.list_(published)))):
        hashes = [row_hashes(pa.record_batch({"v": array}), ["v"]) for array in (one, other)]
        assert (hashes[0] == hashes[1]).all()
