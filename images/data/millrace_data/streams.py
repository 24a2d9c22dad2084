"""A file's bytes on their way to pyarrow: digested, decompressed, and watched for what its readers do not mind."""

import hashlib
import re
from typing import Protocol

import pyarrow as pa
import xxhash  # type: ignore[import-not-found]

from millrace.contracts.data import Dataset
from millrace.contracts.errors import TransientError
from millrace.storage import files
from millrace.storage.arrivals import compression

_NULL_FIRST = re.compile(rb"\s*null")


class NullLineError(Exception):
    """A line of JSON Lines is ``null``."""


class Digest:
    """The SHA-256 of what shapes a staged partition: the declared rules, and the file's length and XXH3-128.

    The bytes pass through XXH3 because SHA-256 of them all took a tenth of ingest's processor time. Two different
    deliveries are taken for the same one with a probability of 2**-128; it is no defence against forgery.
    """

    def __init__(self, dataset: Dataset) -> None:
        target = {"column", "kind", "labels"}
        rules = dataset.model_dump_json(
            include={"columns": True, "split": True, "target": target, "unique_by": True, "nulls_equal": True}
        )
        self._sha256 = hashlib.sha256(f"{dataset.source.format}\n{rules}\n".encode())
        self._bytes = xxhash.xxh3_128()
        self._length = 0

    def update(self, data: bytes) -> None:
        """Take in more of the file."""
        self._bytes.update(data)
        self._length += len(data)

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        whole = self._sha256.copy()
        whole.update(f"{self._length} {self._bytes.hexdigest()}\n".encode())
        return whole.hexdigest()


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""

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

    def __init__(self, uri: str, digest: Digest | None) -> None:
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
        if self._digest is not None:
            self._digest.update(data)
        return data


class NoLeadingNull(_Reader):
    """Text of which no block begins with a line ``null``: such a block ends pyarrow 26 with a segmentation fault.

    pyarrow cuts its blocks after the last line end of each read.
    """

    _line = b""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes. Raises NullLineError."""
        data = self._stream.read(size)
        start = self._line if self._line.strip() else data
        if _NULL_FIRST.match(start + data[:8] if start is self._line else start):
            raise NullLineError
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._line = data[end + 1 :] if end >= 0 else self._line + data
        return data


class CountsQuotes(_Reader):
    """Counts the quotes of a CSV file; pyarrow closes a field that the end of the file leaves open."""

    quotes = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, their quotes counted."""
        data = self._stream.read(size)
        self.quotes += data.count(b'"')
        return data


def store_failed(uri: str, error: OSError) -> TransientError:
    """The error of a store that could not be read for the moment."""
    return TransientError(
        f"the store failed: {error}", where=uri, rule="the file can be read whole", remedy="let the task be retried"
    )


def text_stream(uri: str) -> Readable:
    """A file's text in bytes. Reading raises OSError for a damaged file, TransientError for a store that fails."""
    return decompressed(StoredBytes(uri, None), uri)


def decompressed(stored: StoredBytes, uri: str) -> Readable:
    """The bytes behind the compression that the URI's ending says."""
    codec = compression(uri)
    stream: Readable = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), codec) if codec else stored
    return stream
