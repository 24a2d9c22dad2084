"""Arrow arrays of what is at hand, without `pa.array`: its first call imports pandas, a fifth of a second."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers(values: NDArray[np.number]) -> pa.Array:
    """The same memory as an array of that type."""
    held = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(held.dtype), len(held), [None, pa.py_buffer(held)])


def truths(values: NDArray[np.bool_]) -> pa.BooleanArray:
    """A copy, a bit each."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def words(texts: Sequence[str]) -> pa.StringArray:
    """A copy as strings."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))
