"""Detection of duplicate rows by 128-bit hashes, in a hash table without Python objects."""

import mmap
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import xxhash  # type: ignore[import-not-found]
from numpy.typing import NDArray

_HASH_BYTES = 16
_FIRST_SLOTS = 1 << 22  # 64 MiB; only pages that are written to take memory
_MOVED_SLOTS = 1 << 16
_MAX_LOAD = 0.6

Hashes: TypeAlias = NDArray[np.uint64]


class SeenRows:
    """Set of rows by the XXH3-128 of their ``unique_by`` columns: 27 to 54 bytes of memory a unique row, or 64 MiB.

    A row with a null in one of them equals no other row; with ``nulls_equal``, nulls are equal to each other. The
    probability that two different rows among n are taken for equal is below n**2 / 2**129: 1.5e-21 for a billion rows.
    """

    def __init__(self, unique_by: Sequence[str], nulls_equal: bool = False) -> None:
        self._unique_by = tuple(unique_by)
        self._nulls_equal = nulls_equal
        self._slots = _table(_FIRST_SLOTS)
        self.unique_rows = 0

    def first_seen(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Return for each row whether it occurs for the first time in this batch and all earlier ones."""
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
    # Mapped pages are returned to the system; malloc would retain up to twice the size of the largest freed block.
    empty = mmap.mmap(-1, 2 * slots * np.dtype(np.uint64).itemsize)
    return np.frombuffer(empty, np.uint64).reshape(2, slots)


def _first_in_batch(hashes: Hashes) -> NDArray[np.bool_]:
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(_HASH_BYTES), len(hashes), [None, pa.py_buffer(hashes)])
    # Arrow numbers distinct values in order of first occurrence: a first occurrence has a new highest number.
    numbers = np.frombuffer(fixed.dictionary_encode().indices.buffers()[1], np.int32)
    first = np.ones(len(numbers), np.bool_)
    np.greater(numbers[1:], np.maximum.accumulate(numbers)[:-1], out=first[1:])
    return first


def _insert(slots: Hashes, hashes: Hashes) -> NDArray[np.bool_]:
    """Insert distinct hashes into an open-addressing table with linear probing; return for each whether it was new."""
    low, high = slots
    mask = np.uint64(len(low) - 1)
    new = np.zeros(len(hashes), np.bool_)
    rows = np.arange(len(hashes))
    wanted_low, wanted_high = np.ascontiguousarray(hashes[:, 0]), np.ascontiguousarray(hashes[:, 1])
    place = (wanted_low & mask).astype(np.intp)
    while len(rows):
        empty = (low[place] | high[place]) == 0
        # If several hashes write to one empty slot, the last write stays; the others probe the next slot.
        low[place[empty]], high[place[empty]] = wanted_low[empty], wanted_high[empty]
        settled = (low[place] == wanted_low) & (high[place] == wanted_high)
        new[rows[settled & empty]] = True
        others = ~settled
        rows, wanted_low, wanted_high = rows[others], wanted_low[others], wanted_high[others]
        place = (place[others] + 1) & int(mask)
    return new


def comparable_rows(batch: pa.RecordBatch, unique_by: Sequence[str]) -> NDArray[np.bool_] | None:
    """Return for each row whether all these columns have a value; None if that holds for every row."""
    columns = [batch.column(name) for name in unique_by]
    found = [column.is_valid().to_numpy(zero_copy_only=False) for column in columns if column.null_count]
    return np.logical_and.reduce(found) if found else None


def row_hashes(batch: pa.RecordBatch, unique_by: Sequence[str]) -> Hashes:
    """Return the 128-bit hash of each row's values in these columns, never all zeros: uint64 [rows, 2]."""
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
        # a non-negative one hashes like the equal uint64, which the Delta table stores as a decimal
        words = np.frombuffer(array.buffers()[1], np.uint64).reshape(-1, 2)
        hashes = _hash_records(words[array.offset : array.offset + len(array)])
    else:
        values = _words(array)
        hashes = _hash_records(np.column_stack([values, np.zeros(len(values), np.uint64)]))
    if array.null_count:
        hashes[array.is_null().to_numpy(zero_copy_only=False)] = np.iinfo(np.uint64).max
    return hashes


def _words(array: pa.Array) -> NDArray[np.uint64]:
    """Return fixed-width values as uint64: equal numbers of any width map to equal words, a null like 0 or false."""
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
    # memoryview cannot cast an array without elements
    nothing = data is None or (isinstance(data, np.ndarray) and data.size == 0)
    view = memoryview(b"" if nothing else data).cast("B")  # type: ignore[arg-type]
    digest = xxhash.xxh3_128_digest
    ends = (offsets.astype(np.int64) * scale).tolist()
    joined = bytearray().join([digest(view[start:end]) for start, end in pairwise(ends)])
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
