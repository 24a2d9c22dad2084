"""Store of encoded rows in flat, memory-mapped files, and their deterministic grouping into batches and padded lengths.

The files are written once and read in any order; training order depends only on seed and epoch.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from millrace.scoring.scorer import FEATURES, pad

INDEX_FILE = "store.json"


@dataclass(frozen=True)
class RowStore:
    """Read access to ``rows`` encoded rows.

    A text row is ``tokens[offsets[i] : offsets[i + 1]]`` (int32), a numeric row ``features[i]`` (float32). Targets
    are uint8 [rows, labels] or int32 [rows]; ``hashes`` are the CRC-32 of the rows' keys.
    """

    rows: int
    hashes: NDArray[np.uint32]
    targets: NDArray[Any]
    tokens: NDArray[np.int32] | None
    offsets: NDArray[np.int64] | None
    features: NDArray[np.float32] | None
    pad_id: int = 0

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of tokens of each row; 0 for numeric rows."""
        if self.offsets is None:
            return np.zeros(self.rows, np.int64)
        return np.diff(self.offsets)


class RowWriter:
    """Writer of encoded rows into ``folder``; the store can be opened only after ``finish``."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._streams: dict[str, BinaryIO] = {}
        self._widths: dict[str, tuple[str, int | None]] = {}
        self._tokens = 0
        self._rows = 0

    def __enter__(self) -> Self:
        (self._folder / INDEX_FILE).unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in self._streams.values():
            stream.close()

    def add(
        self,
        hashes: NDArray[np.uint32],
        targets: NDArray[Any],
        tokens: Sequence[Sequence[int]] | None = None,
        features: NDArray[np.float32] | None = None,
    ) -> None:
        """Append rows, with either ``tokens`` or ``features``."""
        self._rows += len(hashes)
        self._append("hashes", hashes)
        self._append("targets", targets)
        if features is not None:
            self._append("features", features)
        if tokens is not None:
            ends = np.cumsum([len(row) for row in tokens], dtype=np.int64) + self._tokens
            self._append("ends", ends)
            self._append("tokens", np.fromiter((token for row in tokens for token in row), np.int32))
            self._tokens = int(ends[-1]) if len(ends) else self._tokens

    def finish(self, fingerprint: str, pad_id: int = 0) -> None:
        """Close the files, then write the index, which makes the store complete."""
        for stream in self._streams.values():
            stream.close()
        index = {"fingerprint": fingerprint, "rows": self._rows, "pad_id": pad_id, "arrays": self._widths}
        part = self._folder / f".{INDEX_FILE}.part"
        try:
            part.write_text(json.dumps(index))
            part.replace(self._folder / INDEX_FILE)
        finally:
            part.unlink(missing_ok=True)

    def _append(self, name: str, array: NDArray[Any]) -> None:
        if name not in self._streams:
            self._streams[name] = (self._folder / f"{name}.bin").open("wb")
            self._widths[name] = (array.dtype.str, array.shape[1] if array.ndim == 2 else None)
        self._streams[name].write(np.ascontiguousarray(array).tobytes())


def open_store(folder: Path, fingerprint: str) -> RowStore | None:
    """Open the complete store in ``folder``; None if there is none with that fingerprint and at least one row."""
    try:
        index = json.loads((folder / INDEX_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if index["fingerprint"] != fingerprint or not index["rows"]:
        return None
    arrays = {name: _map(folder / f"{name}.bin", *kind) for name, kind in index["arrays"].items()}
    ends = arrays.get("ends")
    return RowStore(
        rows=index["rows"],
        hashes=arrays["hashes"],
        targets=arrays["targets"],
        tokens=arrays.get("tokens"),
        offsets=None if ends is None else np.concatenate([np.zeros(1, np.int64), ends]),
        features=arrays.get("features"),
        pad_id=index["pad_id"],
    )


def _map(path: Path, dtype: str, width: int | None) -> NDArray[Any]:
    flat = np.memmap(path, dtype=dtype, mode="r")
    return flat if width is None else flat.reshape(-1, width)


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
