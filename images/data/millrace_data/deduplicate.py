"""Rows that were seen before, by 128-bit hashes in a table without Python objects."""

import mmap
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import xxhash  # type: ignore[import-not-found]
from numpy.typing import NDArray

_HASH_BYTES = 16
_FIRST_SLOTS = 1 << 22  # 64 MiB, of which only what is written to takes memory
_MOVED_SLOTS = 1 << 16
_MAX_LOAD = 0.6

Hashes: TypeAlias = NDArray[np.uint64]


class SeenRows:
    """Remembers rows by the XXH3-128 of the ``unique_by`` columns; 27 to 54 bytes of memory a unique row, or 64 MiB.

    A row without a value in one of them is like no other, unless ``nulls_equal``: then it is like those without it. Two
    different rows of a partition of n rows are taken for equal with a probability below n**2 / 2**129: 1.5e-21 for a
    billion rows.
    """

    def __init__(self, unique_by: Sequence[str], nulls_equal: bool = False) -> None:
        self._unique_by = tuple(unique_by)
        self._nulls_equal = nulls_equal
        self._slots = _table(_FIRST_SLOTS)
        self.unique_rows = 0

    def first_seen(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Which rows occur for the first time, in this batch and all those before it."""
        hashes = row_hashes(batch, self._unique_by)
        first = _first_in_batch(hashes)
        comparable = None if self._nulls_equal else comparable_rows(batch, self._unique_by)
        candidates = np.flatnonzero(first if comparable is None else first & comparable)
        self._grow(len(candidates))
        new = _insert(self._slots, hashes[candidates])
        self.unique_rows += int(new.sum())
        first[candidates[~new]] = False
        if comparable is not None:
            first |= ~comparable
        return first

    def _grow(self, coming: int) -> None:
        slots = self._slots.shape[1]
        while self.unique_rows + coming > _MAX_LOAD * slots:
            slots *= 2
        if slots > self._slots.shape[1]:
            held, self._slots = self._slots, _table(slots)
            for part in np.array_split(held, -(-held.shape[1] // _MOVED_SLOTS), axis=1):
                _insert(self._slots, part[:, part.any(axis=0)].T)


def _table(slots: int) -> Hashes:
    # Pages of its own: of blocks that it was given back, C's allocator would keep twice the largest one's size at hand.
    empty = mmap.mmap(-1, 2 * slots * np.dtype(np.uint64).itemsize)
    return np.frombuffer(empty, np.uint64).reshape(2, slots)


def _first_in_batch(hashes: Hashes) -> NDArray[np.bool_]:
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_HASH_BYTES), len(hashes), [None, pa.py_buffer(hashes)])
    # Arrow numbers distinct values in the order of their first occurrence: a first one is a new highest number.
    numbers = np.frombuffer(fixed.dictionary_encode().indices.buffers()[1], np.int32)
    first = np.ones(len(numbers), np.bool_)
    np.greater(numbers[1:], np.maximum.accumulate(numbers)[:-1], out=first[1:])
    return first


def _insert(slots: Hashes, hashes: Hashes) -> NDArray[np.bool_]:
    """Put distinct hashes into an open-addressing table with linear probing; which of them were not there."""
    low, high = slots
    mask = np.uint64(len(low) - 1)
    new = np.zeros(len(hashes), np.bool_)
    rows = np.arange(len(hashes))
    wanted_low, wanted_high = np.ascontiguousarray(hashes[:, 0]), np.ascontiguousarray(hashes[:, 1])
    place = (wanted_low & mask).astype(np.intp)
    while len(rows):
        empty = (low[place] | high[place]) == 0
        # Of several that claim one empty slot the last write stays; the others find it taken and move on.
        low[place[empty]], high[place[empty]] = wanted_low[empty], wanted_high[empty]
        settled = (low[place] == wanted_low) & (high[place] == wanted_high)
        new[rows[settled & empty]] = True
        others = ~settled
        rows, wanted_low, wanted_high = rows[others], wanted_low[others], wanted_high[others]
        place = (place[others] + 1) & int(mask)
    return new


def comparable_rows(batch: pa.RecordBatch, unique_by: Sequence[str]) -> NDArray[np.bool_] | None:
    """Which rows have a value in each of these columns; None where all of them do."""
    columns = [batch.column(name) for name in unique_by]
    found = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns if column.null_count]
    return np.logical_and.reduce(found) if found else None


def row_hashes(batch: pa.RecordBatch, unique_by: Sequence[str]) -> Hashes:
    """The 128-bit hash of each row's values in these columns, never all zeros: uint64 [rows, 2]."""
    columns = [_hashes(batch.column(name)) for name in unique_by]
    hashes = columns[0] if len(columns) == 1 else _hash_records(np.hstack(columns))
    hashes[~hashes.any(axis=1), 0] = 1  # zeros mean an empty slot
    return hashes


def _hashes(array: pa.Array) -> Hashes:
    if pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        _, offsets, data = array.buffers()
        hashes = _hash_slices(data, _offsets(array, offsets), 1)
    elif pa.types.is_list(array.type):
        items = _hashes(array.values)
        hashes = _hash_slices(items, _offsets(array, array.buffers()[1]), _HASH_BYTES)
    elif pa.types.is_decimal128(array.type):
        # of what is not negative the same as an unsigned integer's, which a Delta table holds as decimals
        words = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, 2)
        hashes = _hash_records(words[array.offset : array.offset + len(array)])
    else:
        values = _words(array)
        hashes = _hash_records(np.column_stack([values, np.zeros(len(values), np.uint64)]))
    if array.null_count:
        hashes[array.is_null().to_numpy(zero_copy_only=False)] = np.iinfo(np.uint64).max
    return hashes


def _words(array: pa.Array) -> NDArray[np.uint64]:
    """Values of a fixed width as 64 bits: equal numbers alike, whatever their width; something for a null."""
    if pa.types.is_date(array.type):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(array.type):
        array = array.view(pa.int64())
    values = array.fill_null(False if pa.types.is_boolean(array.type) else 0).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(array.type):
        return (values.astype(np.float64) + 0.0).view(np.uint64)  # -0.0 becomes 0.0
    return values.astype(np.uint64, copy=False)


def _offsets(array: pa.Array, buffer: pa.Buffer) -> NDArray[np.int32]:
    return np.frombuffer(buffer, np.int32)[array.offset : array.offset + len(array) + 1]


def _hash_records(records: Hashes) -> Hashes:
    width = records.shape[1] * records.itemsize
    return _hash_slices(np.ascontiguousarray(records), np.arange(len(records) + 1) * width, 1)


def _hash_slices(data: object, offsets: NDArray[np.integer], scale: int) -> Hashes:
    # an array without elements has no bytes that could be looked at
    nothing = data is None or (isinstance(data, np.ndarray) and data.size == 0)
    view = memoryview(b"" if nothing else data).cast("B")  # type: ignore[arg-type]
    digest = xxhash.xxh3_128_digest
    ends = (offsets.astype(np.int64) * scale).tolist()
    joined = bytearray().join([digest(view[start:end]) for start, end in pairwise(ends)])
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
