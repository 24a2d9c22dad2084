"""Arrow arrays from NumPy arrays and strings without ``pa.array``, whose first call imports pandas (0.2 s)."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers(values: NDArray[np.number]) -> pa.Array:
    """Return an Arrow array of the same type, on the same memory if the values are contiguous."""
    held = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(held.dtype), len(held), [None, pa.py_buffer(held)])


def truths(values: NDArray[np.bool_]) -> pa.BooleanArray:
    """Return a boolean array; it copies the values into bits."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def words(texts: Sequence[str]) -> pa.StringArray:
    """Return a string array; it copies the texts."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
