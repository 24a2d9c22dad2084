"""A device that has no room for what training feeds it, said in a way that the next try can act on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from millrace.contracts.errors import DeviceMemoryError

# TensorFlow's class; JAX and XLA have one class for everything and say it in the text; CUDA's own allocator
_EXHAUSTED_TYPE = "ResourceExhaustedError"
_EXHAUSTED_TEXT = re.compile(r"RESOURCE_EXHAUSTED|CUDA_ERROR_OUT_OF_MEMORY")
_REASON = re.compile(r"(OOM when allocating|[Oo]ut of memory)[^\n]*")


@contextmanager
def device_memory(rows: int) -> Iterator[None]:
    """Turn a backend's error for want of memory into DeviceMemoryError; ``rows`` were fed at once.

    A step that failed halfway may have changed some variables: what is saved is the last checkpoint, and nothing of it.
    """
    try:
        yield
    except Exception as error:
        if not _exhausted(error):
            raise
        said = _REASON.search(str(error))
        raise DeviceMemoryError(
            f"the device has no room for {rows} rows at once: {said[0] if said else type(error).__name__}",
            where="parameters.batch_size",
            rule="what is fed at once, with its gradients, fits into the memory of one device",
            remedy="the next try feeds half as many at once and trains the same batches; a smaller batch_size or "
            "max_length, or hardware with more memory, makes that needless",
        ) from error


def _exhausted(error: Exception) -> bool:
    return type(error).__name__ == _EXHAUSTED_TYPE or _EXHAUSTED_TEXT.search(str(error)) is not None
