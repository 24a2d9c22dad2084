"""Batches: every row once an epoch, in an order of seed and epoch, padded to few lengths."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from millrace_train.store import (
    Batch,
    RowStore,
    RowWriter,
    bucket_lengths,
    load_batch,
    open_store,
    plan_epoch,
    plan_scoring,
)

BUCKETS = (8, 16, 32)


def make_store(
    folder: Path, lengths: Sequence[int] | NDArray[np.int64], order: Sequence[int] | None = None
) -> RowStore:
    order = range(len(lengths)) if order is None else order
    with RowWriter(folder) as writer:
        for row in order:
            tokens = [[row + 1] * int(lengths[row])]
            hashes = np.asarray([(row * 2_654_435_761) % 2**32], np.uint32)
            writer.add(hashes, np.asarray([[row % 2, 1]], np.uint8), tokens=tokens)
        writer.finish("f", pad_id=0)
    store = open_store(folder, "f")
    assert store is not None
    return store


@pytest.fixture
def lengths() -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(2, 33, 101)


def test_every_row_once_and_no_step_too_many(tmp_path: Path, lengths: NDArray[np.int64]) -> None:
    store = make_store(tmp_path, lengths)
    for epoch in range(3):
        batches = plan_epoch(store, BUCKETS, 8, seed=1, epoch=epoch)
        assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(101))
        assert len(batches) == math.ceil(101 / 8)
        assert [len(batch.rows) for batch in batches].count(8) == 12


def test_rows_fit_their_batch_and_most_are_in_their_own_bucket(tmp_path: Path, lengths: NDArray[np.int64]) -> None:
    store = make_store(tmp_path, lengths)
    batches = plan_epoch(store, BUCKETS, 8, seed=1, epoch=0)
    for batch in batches:
        assert batch.length in BUCKETS
        assert lengths[batch.rows].max() <= batch.length
    padded = sum(batch.length * len(batch.rows) for batch in batches)
    own = sum(min(bucket for bucket in BUCKETS if bucket >= length) for length in lengths)
    assert own <= padded <= own + 7 * (BUCKETS[-1] - BUCKETS[0])


def test_the_order_is_of_seed_and_epoch_alone(tmp_path: Path, lengths: NDArray[np.int64]) -> None:
    def rows(store: RowStore, **of: int) -> list[tuple[int, list[int]]]:
        assert store.tokens is not None
        assert store.offsets is not None
        return [
            (batch.length, [int(store.tokens[store.offsets[row]]) for row in batch.rows])
            for batch in plan_epoch(store, BUCKETS, 8, **of)
        ]

    store = make_store(tmp_path / "a", lengths)
    other = make_store(tmp_path / "b", lengths, order=np.random.default_rng(5).permutation(101))
    assert rows(store, seed=1, epoch=0) == rows(other, seed=1, epoch=0)
    assert rows(store, seed=1, epoch=0) != rows(store, seed=1, epoch=1)
    assert rows(store, seed=1, epoch=0) != rows(store, seed=2, epoch=0)


def test_a_partial_batch_is_filled_with_rows_of_no_weight(tmp_path: Path) -> None:
    store = make_store(tmp_path, [3, 5])
    given = load_batch(store, Batch(np.asarray([1, 0]), 8), 4)
    assert given.weights.tolist() == [1, 1, 0, 0]
    assert given.inputs["token_ids"].tolist()[:2] == [[2] * 5 + [0] * 3, [1] * 3 + [0] * 5]
    assert given.inputs["padding_mask"].sum(axis=1).tolist() == [5, 3, 5, 5]
    assert given.targets.tolist()[:2] == [[1, 1], [0, 1]]
    assert given.inputs["token_ids"].dtype == np.int32
    assert given.targets.dtype == np.float32


def test_scoring_takes_every_row_once(tmp_path: Path, lengths: NDArray[np.int64]) -> None:
    store = make_store(tmp_path, lengths)
    batches = plan_scoring(store, BUCKETS, 16)
    assert sorted(np.concatenate([batch.rows for batch in batches])) == list(range(101))


def test_numbers_have_no_lengths(tmp_path: Path) -> None:
    with RowWriter(tmp_path) as writer:
        writer.add(np.arange(5, dtype=np.uint32), np.arange(5, dtype=np.int32), features=np.eye(5, dtype=np.float32))
        writer.finish("f")
    store = open_store(tmp_path, "f")
    assert store is not None
    batches = plan_epoch(store, (), 2, seed=0, epoch=0)
    assert [batch.length for batch in batches] == [0, 0, 0]
    given = load_batch(store, Batch(np.asarray([4]), 0), 2)
    assert given.inputs["features"].tolist() == [[0, 0, 0, 0, 1]] * 2
    assert given.targets.tolist() == [4, 4]


def test_bucket_lengths_end_at_the_greatest_length() -> None:
    assert bucket_lengths((16, 32, 64, 128), 64) == (16, 32, 64)
    assert bucket_lengths((16, 32, 64, 128), 50) == (16, 32, 50)
    assert bucket_lengths((64, 16), 8) == (8,)
    assert bucket_lengths((16,), None) == ()


def test_a_store_without_its_index_is_none(tmp_path: Path) -> None:
    with RowWriter(tmp_path) as writer:
        writer.add(np.arange(2, dtype=np.uint32), np.zeros(2, np.int32), features=np.zeros((2, 1), np.float32))
    assert open_store(tmp_path, "f") is None
    assert make_store(tmp_path, [2]) is not None
    assert open_store(tmp_path, "another") is None
