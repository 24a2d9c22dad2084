"""Hashes of rows' keys, by which rows are assigned to splits and sampled: the same on every machine."""

import zlib
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint32]


def key_hashes(keys: pa.Array) -> Hashes:
    """Return the CRC-32 of the UTF-8 bytes of each key's ``str()``, the same before ingest and in the table."""
    if pa.types.is_integer(keys.type):
        keys = keys.cast(pa.string())
    if not pa.types.is_string(keys.type):
        return np.array([zlib.crc32(str(key).encode()) for key in keys.to_pylist()], np.uint32)
    _, offsets, data = keys.buffers()
    ends = np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1].tolist()
    view = memoryview(data if data is not None else b"")
    return np.array([zlib.crc32(view[start:end]) for start, end in pairwise(ends)], np.uint32)
