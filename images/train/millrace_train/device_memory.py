"""Conversion of a backend's out-of-memory error into DeviceMemoryError, on which the next attempt can act."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from millrace.contracts.errors import DeviceMemoryError

# TensorFlow has a class for it; JAX and XLA use one class for all errors and give RESOURCE_EXHAUSTED in the text, and
# CUDA's allocator gives CUDA_ERROR_OUT_OF_MEMORY
_EXHAUSTED_TYPE = "ResourceExhaustedError"
_EXHAUSTED_TEXT = re.compile(r"RESOURCE_EXHAUSTED|CUDA_ERROR_OUT_OF_MEMORY")
_REASON = re.compile(r"(OOM when allocating|[Oo]ut of memory)[^\n]*")


@contextmanager
def device_memory(rows: int) -> Iterator[None]:
    """Turn a backend's out-of-memory error into DeviceMemoryError; ``rows`` is the number of rows fed at once.

    The failed step may have changed some variables, so nothing of it is saved; the last checkpoint stays valid.
    """
    try:
        yield
    except Exception as error:
        if not _exhausted(error):
            raise
        message = _REASON.search(str(error))
        raise DeviceMemoryError(
            f"the device has no room for {rows} rows at once: {message[0] if message else type(error).__name__}",
            where="parameters.batch_size",
            rule="what is fed at once, with its gradients, fits into the memory of one device",
            remedy="the next try feeds half as many at once and trains the same batches; a smaller batch_size or "
            "max_length, or hardware with more memory, makes that needless",
        ) from error


def _exhausted(error: Exception) -> bool:
    return type(error).__name__ == _EXHAUSTED_TYPE or _EXHAUSTED_TEXT.search(str(error)) is not None
