"""A file's bytes on their way: digested as they are stored, then decompressed."""

import hashlib
from typing import Any, Protocol

import pyarrow as pa
import xxhash  # type: ignore[import-not-found]

from millrace.contracts.data import Dataset
from millrace.contracts.errors import TransientError
from millrace.storage import files
from millrace.storage.arrivals import compression

_SHAPING: Any = {
    "source": {"format", "dialect"},
    "columns": True,
    "extra_columns": True,
    "split": True,
    "target": {"column", "kind", "labels"},
    "unique_by": True,
    "nulls_equal": True,
}
"""What of a data set's declaration says which rows a file holds, and in which split each one is."""


class Digest:
    """The SHA-256 of what shapes a staged partition: the declared rules, and the file's length and XXH3-128.

    The bytes pass through XXH3 because SHA-256 of them all took a tenth of ingest's processor time. Two different
    deliveries are taken for the same one with a probability of 2**-128; it is no defence against forgery.
    """

    def __init__(self, dataset: Dataset) -> None:
        rules = dataset.model_dump_json(include=_SHAPING)
        self._sha256 = hashlib.sha256(f"{rules}\n".encode())
        self._bytes = xxhash.xxh3_128()
        self._length = 0

    def update(self, data: bytes | memoryview) -> None:
        """Take in more of the file."""
        self._bytes.update(data)
        self._length += len(data)

    @property
    def length_bytes(self) -> int:
        """Bytes taken in."""
        return self._length

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        whole = self._sha256.copy()
        whole.update(f"{self._length} {self._bytes.hexdigest()}\n".encode())
        return whole.hexdigest()


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""

    def readinto(self, into: memoryview, /) -> int:
        """Fill the beginning of ``into``; how many bytes, 0 at the end. A chunk that is read so is not copied."""

    def close(self) -> None:
        """Give the stream back."""


class _Reader:
    """What pyarrow asks of a Python file; an exception in ``read`` passes through pyarrow unchanged."""

    closed = False

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True
        self._stream.close()

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


class StoredBytes(_Reader):
    """The file as it is stored, digested. A failing store is a TransientError, so that OSError means a damaged file."""

    def __init__(self, uri: str, digest: Digest) -> None:
        system, path = files.locate(uri)
        try:
            super().__init__(system.open_input_stream(path, compression=None))
        except OSError as error:
            raise store_failed(uri, error) from error
        self._uri = uri
        self._digest = digest

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, as they are stored."""
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise store_failed(self._uri, error) from error
        self._digest.update(data)
        return data

    def readinto(self, into: memoryview, /) -> int:
        """The next bytes, as they are stored."""
        try:
            size = self._stream.readinto(into)
        except OSError as error:
            raise store_failed(self._uri, error) from error
        self._digest.update(into[:size])
        return size


class Peeked(_Reader):
    """A stream of which ``head``, the first bytes, is known before it is read."""

    def __init__(self, stream: Readable, size: int) -> None:
        super().__init__(stream)
        self.head = b""
        while len(self.head) < size and (data := stream.read(size - len(self.head))):
            self.head += data
        self._rest = self.head

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, the first ones included."""
        if not self._rest:
            return self._stream.read(size)
        end = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

    def readinto(self, into: memoryview, /) -> int:
        """The next bytes, the first ones included."""
        if not self._rest:
            return self._stream.readinto(into)
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)


def store_failed(uri: str, error: OSError) -> TransientError:
    """The error of a store that could not be read for the moment."""
    return TransientError(
        f"the store failed: {error}", where=uri, rule="the file can be read whole", remedy="let the task be retried"
    )


def decompressed(stored: Readable, uri: str) -> Readable:
    """The bytes behind the compression that the URI's ending says."""
    codec = compression(uri)
    stream: Readable = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), codec) if codec else stored
    return stream
