"""Assignment of rows to train, validation and test by a hash of a key: the same on every machine."""

import zlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from millrace.contracts.data import Split
from millrace_data import made
from millrace_data.schema import SPLITS

_TRAIN, _VALIDATION, _TEST = range(3)
_HASHES = 2.0**32
_NAMES = made.words(SPLITS)


def deal(batch: pa.RecordBatch, split: Split) -> pa.StringArray:
    """Return each row's split, by h = CRC-32 of ``str(key)`` / 2**32: test if h < ``test_fraction``, validation if h <
    ``test_fraction`` + ``validation_fraction``, otherwise train. With ``split.column``, rows with "test" there are
    test; of the others, validation if h < ``validation_fraction``. The key and the column must hold no nulls.
    """
    shares = crc32(batch.column(split.key)) / _HASHES
    if split.column is None:
        ends = [split.test_fraction, split.test_fraction + split.validation_fraction]
        codes = np.choose(np.searchsorted(ends, shares, side="right"), [_TEST, _VALIDATION, _TRAIN])
        return _NAMES.take(made.numbers(codes))
    dealt = _NAMES.take(made.numbers(np.where(shares < split.validation_fraction, _VALIDATION, _TRAIN)))
    test = _NAMES[_TEST]
    return pc.if_else(pc.equal(batch.column(split.column), test), test, dealt)


def crc32(keys: pa.Array) -> NDArray[np.uint32]:
    """Return the CRC-32 of the UTF-8 bytes of each key's ``str()``."""
    if pa.types.is_integer(keys.type):
        keys = keys.cast(pa.string())
    if not pa.types.is_string(keys.type):
        return np.array([zlib.crc32(str(key).encode()) for key in keys.to_pylist()], np.uint32)
    _, offsets, data = keys.buffers()
    ends = np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1].tolist()
    view = memoryview(data if data is not None else b"")
    return np.array([zlib.crc32(view[start:end]) for start, end in pairwise(ends)], np.uint32)
