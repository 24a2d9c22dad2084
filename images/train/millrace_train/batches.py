"""Deterministic grouping of rows into batches and padded lengths: training order depends only on seed and epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.scoring.scorer import FEATURES, pad
from millrace_train.store import RowStore


@dataclass(frozen=True)
class Batch:
    """Row indexes of a store, to be padded to ``length`` tokens (0 for numeric rows)."""

    rows: NDArray[np.int64]
    length: int


@dataclass(frozen=True)
class ModelInput:
    """Arrays of one step; ``weights`` is 0 for rows that only fill up the batch."""

    inputs: dict[str, NDArray[Any]]
    targets: NDArray[Any]
    weights: NDArray[np.float32]


def bucket_lengths(lengths: Sequence[int], max_length: int | None) -> tuple[int, ...]:
    """Return the lengths for padding: the given ones below ``max_length``, and ``max_length``; () without text."""
    if max_length is None:
        return ()
    return (*sorted({length for length in lengths if length < max_length}), max_length)


def plan_epoch(store: RowStore, buckets: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[Batch]:
    """Plan every row once, in batches of ``batch_size`` (one may be smaller), in an order given by (seed, epoch).

    Batches hold rows of one bucket; the remainder joins the next longer bucket, so that an epoch has
    ceil(rows / batch_size) steps. The same keys give the same batches for any order of rows in the store.
    """
    rng = np.random.default_rng([seed, epoch])
    order = np.argsort(store.hashes, kind="stable")[rng.permutation(store.rows)]
    batches = _fill(store, order, buckets, batch_size)
    return [batches[index] for index in rng.permutation(len(batches))]


def plan_scoring(store: RowStore, buckets: Sequence[int], batch_size: int) -> list[Batch]:
    """Plan every row once, in batches of ``batch_size`` (the last may be smaller), shortest bucket first."""
    return _fill(store, np.arange(store.rows), buckets, batch_size)


def load_batch(store: RowStore, batch: Batch, batch_size: int) -> ModelInput:
    """Load the arrays of one batch with exactly ``batch_size`` rows: copies of its first row, weight 0, fill it up."""
    missing = batch_size - len(batch.rows)
    rows = np.concatenate([batch.rows, np.repeat(batch.rows[:1], missing)])
    weights = np.concatenate([np.ones(len(batch.rows), np.float32), np.zeros(missing, np.float32)])
    targets = store.targets[rows]
    if targets.ndim == 2:
        targets = targets.astype(np.float32)
    return ModelInput(_inputs(store, rows, batch.length), targets, weights)


def share(given: ModelInput, index: int, shares: int) -> ModelInput:
    """Return share ``index`` of ``shares`` equal ones; the batch's number of rows is a multiple of ``shares``."""
    rows = len(given.weights) // shares
    own = slice(index * rows, (index + 1) * rows)
    inputs = {name: array[own] for name, array in given.inputs.items()}
    return replace(given, inputs=inputs, targets=given.targets[own], weights=given.weights[own])


def _inputs(store: RowStore, rows: NDArray[np.int64], length: int) -> dict[str, NDArray[Any]]:
    if store.features is not None:
        return {FEATURES: store.features[rows]}
    if store.tokens is None or store.offsets is None:
        raise ValueError("a store holds tokens or features")
    texts = [store.tokens[store.offsets[row] : store.offsets[row + 1]] for row in rows]
    return pad(texts, store.pad_id, length)


def _fill(store: RowStore, order: NDArray[Any], buckets: Sequence[int], batch_size: int) -> list[Batch]:
    bucket_of = np.searchsorted(np.asarray(buckets or (0,)), store.lengths())[order]
    batches: list[Batch] = []
    waiting = np.empty(0, np.int64)
    length = 0
    for index, bucket in enumerate(buckets or (0,)):
        new = order[bucket_of == index]
        if not len(new):
            continue
        length = bucket
        waiting = np.concatenate([waiting, new])
        whole = len(waiting) - len(waiting) % batch_size
        batches += [Batch(waiting[start : start + batch_size], length) for start in range(0, whole, batch_size)]
        waiting = waiting[whole:]
    return [*batches, Batch(waiting, length)] if len(waiting) else batches
