"""Streams over a file's bytes: they are digested as stored, decompressed, and converted to UTF-8."""

import codecs
import hashlib
from codecs import BOM_UTF8
from typing import Any, Protocol

import pyarrow as pa
import xxhash  # type: ignore[import-not-found]

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError, TransientError
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
"""The fields of a data set's declaration that determine the rows of a file and the split of each row."""
_UNDECODABLE = "\udcff"
_NO_UTF8 = b"\xff"


class Digest:
    """Digest of a partition's content: SHA-256 over the declared rules and the file's length and XXH3-128.

    The file's bytes are hashed with XXH3 because SHA-256 took a tenth of ingest's processor time. Two different files
    have the same digest with a probability of 2**-128; the digest does not protect against forgery.
    """

    def __init__(self, dataset: Dataset) -> None:
        rules = dataset.model_dump_json(include=_SHAPING)
        self._sha256 = hashlib.sha256(f"{rules}\n".encode())
        self._bytes = xxhash.xxh3_128()
        self._length = 0

    def update(self, data: bytes | memoryview) -> None:
        """Add the next bytes of the file."""
        self._bytes.update(data)
        self._length += len(data)

    @property
    def length_bytes(self) -> int:
        """The number of bytes added."""
        return self._length

    def hexdigest(self) -> str:
        """Return the digest of all bytes added so far, as 64 hexadecimal digits."""
        whole = self._sha256.copy()
        whole.update(f"{self._length} {self._bytes.hexdigest()}\n".encode())
        return whole.hexdigest()


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""

    def readinto(self, into: memoryview, /) -> int:
        """Fill the beginning of ``into`` without a copy; return the number of bytes, 0 at the end."""

    def close(self) -> None:
        """Close the stream."""


class _Reader:
    """The interface that pyarrow requires of a Python file; exceptions in ``read`` pass through pyarrow unchanged."""

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
    """Stream of a file's stored bytes, which it digests.

    Raises TransientError if the store fails, so that an OSError of a reader above means a damaged file.
    """

    def __init__(self, uri: str, digest: Digest) -> None:
        system, path = files.locate(uri)
        try:
            super().__init__(system.open_input_stream(path, compression=None))
        except OSError as error:
            raise store_failed(uri, error) from error
        self._uri = uri
        self._digest = digest

    def read(self, size: int = -1, /) -> bytes:
        """Return the next stored bytes."""
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise store_failed(self._uri, error) from error
        self._digest.update(data)
        return data

    def readinto(self, into: memoryview, /) -> int:
        """Fill the beginning of ``into`` with the next stored bytes; return their number."""
        try:
            size = self._stream.readinto(into)
        except OSError as error:
            raise store_failed(self._uri, error) from error
        self._digest.update(into[:size])
        return size


class Peeked(_Reader):
    """Stream whose first ``size`` bytes are available as ``head`` before it is read."""

    def __init__(self, stream: Readable, size: int) -> None:
        super().__init__(stream)
        self.head = b""
        while len(self.head) < size and (data := stream.read(size - len(self.head))):
            self.head += data
        self._rest = self.head

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, beginning with ``head``."""
        if not self._rest:
            return self._stream.read(size)
        end = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:end], self._rest[end:]
        return data

    def readinto(self, into: memoryview, /) -> int:
        """Fill the beginning of ``into`` with the next bytes, beginning with ``head``; return their number."""
        if not self._rest:
            return self._stream.readinto(into)
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)


def store_failed(uri: str, error: OSError) -> TransientError:
    """Return the error of a store that failed to read."""
    return TransientError(
        f"the store failed: {error}", where=uri, rule="the file can be read whole", remedy="let the task be retried"
    )


def decompressed(stored: Readable, uri: str) -> Readable:
    """Return the bytes decompressed by the codec of the URI's ending; unchanged if it names none."""
    codec = compression(uri)
    stream: Readable = pa.CompressedInputStream(pa.PythonFile(stored, mode="r"), codec) if codec else stored
    return stream


def _undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: undecodable input becomes a byte that UTF-8 never has, so that only its row is bad.

    The original bytes are not kept, since several of them could form valid UTF-8.
    """
    if isinstance(error, UnicodeDecodeError):
        return _UNDECODABLE, error.end
    if isinstance(error, UnicodeEncodeError):  # half of a surrogate pair, which UTF-7 can encode
        return _NO_UTF8, error.end
    raise error


codecs.register_error("millrace-undecodable", _undecodable)


class Text(Protocol):
    """A text as a stream of bytes."""

    def readinto(self, into: memoryview, /) -> int:
        """Fill the beginning of ``into``; return the number of bytes, 0 at the end."""


def as_utf8(text: Readable, encoding: str, uri: str) -> Text:
    """Return the text in UTF-8. Its ``readinto`` raises BadInputError if the encoding cannot skip undecodable input."""
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return _Unmarked(text)
    return _Unmarked(_Decoded(text, codecs.getincrementaldecoder(encoding)("millrace-undecodable"), uri, encoding))


class _Unmarked:
    """Stream of UTF-8 text without its byte order mark."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._at_start = True

    def readinto(self, into: memoryview, /) -> int:
        if not self._at_start:
            return self._text.readinto(into)
        self._at_start = False
        size = 0
        while size < len(BOM_UTF8) and (more := self._text.readinto(into[size:])):
            size += more
        if bytes(into[: min(size, len(BOM_UTF8))]) != BOM_UTF8:
            return size
        rest = bytes(into[len(BOM_UTF8) : size])
        into[: len(rest)] = rest
        return len(rest) or self._text.readinto(into)


class _Decoded:
    def __init__(self, text: Readable, decoder: codecs.IncrementalDecoder, uri: str, encoding: str) -> None:
        self._text = text
        self._decoder = decoder
        self._uri = uri
        self._encoding = encoding
        self._at_end = False
        self._rest = b""

    def readinto(self, into: memoryview, /) -> int:
        while not self._rest and not self._at_end:
            data = self._text.read(len(into))
            self._at_end = not data
            self._rest = self._decoded(data)
        data, self._rest = self._rest[: len(into)], self._rest[len(into) :]
        into[: len(data)] = data
        return len(data)

    def _decoded(self, data: bytes) -> bytes:
        try:
            return self._decoder.decode(data, final=self._at_end).encode("utf-8", "millrace-undecodable")
        except UnicodeError as error:
            raise BadInputError(
                f"the file cannot be decoded as {self._encoding}, row by row",
                where=self._uri,
                rule="an encoding of whole texts, such as latin-1 or utf-16",
                remedy="convert the file to UTF-8, or correct the dialect's encoding",
            ) from error
