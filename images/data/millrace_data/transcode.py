"""Conversion of a text from its declared encoding to UTF-8 without a byte order mark."""

import codecs
from codecs import BOM_UTF8
from typing import Protocol

from millrace.contracts.errors import BadInputError
from millrace_data.streams import Readable

_UNDECODABLE = "\udcff"
_NO_UTF8 = b"\xff"


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
