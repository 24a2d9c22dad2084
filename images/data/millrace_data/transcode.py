"""A text in its declared encoding as UTF-8, without a byte order mark."""

import codecs
from codecs import BOM_UTF8

from millrace.contracts.errors import BadInputError
from millrace_data.streams import Readable

_UNDECODABLE = "\udcff"
_NO_UTF8 = b"\xff"


def _undecodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """What is not of the encoding becomes a byte that no UTF-8 has: its row alone is bad.

    Never the byte itself: two of them might be UTF-8 together.
    """
    if isinstance(error, UnicodeDecodeError):
        return _UNDECODABLE, error.end
    if isinstance(error, UnicodeEncodeError):  # half a surrogate pair, as UTF-7 can write it
        return _NO_UTF8, error.end
    raise error


codecs.register_error("millrace-undecodable", _undecodable)


def as_utf8(text: Readable, encoding: str, uri: str) -> Readable:
    """The same text in UTF-8."""
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return _Utf8(text)
    return _Utf8(_Decoded(text, codecs.getincrementaldecoder(encoding)("millrace-undecodable"), uri, encoding))


class _Utf8:
    """Text in UTF-8, its mark left out."""

    def __init__(self, text: Readable) -> None:
        self._text = text
        self._at_start = True

    def read(self, size: int, /) -> bytes:
        data = self._text.read(size)
        if self._at_start:
            while len(data) < len(BOM_UTF8) and BOM_UTF8.startswith(data) and (more := self._text.read(size)):
                data += more
            self._at_start = False
            data = data.removeprefix(BOM_UTF8) or self._text.read(size)
        return data

    def close(self) -> None:
        self._text.close()


class _Decoded:
    def __init__(self, text: Readable, decoder: codecs.IncrementalDecoder, uri: str, encoding: str) -> None:
        self._text = text
        self._decoder = decoder
        self._uri = uri
        self._encoding = encoding
        self._at_end = False

    def read(self, size: int, /) -> bytes:
        while not self._at_end:
            data = self._text.read(size)
            self._at_end = not data
            try:
                decoded = self._decoder.decode(data, final=self._at_end)
            except UnicodeError as error:
                raise BadInputError(
                    f"the file cannot be decoded as {self._encoding}, row by row",
                    where=self._uri,
                    rule="an encoding of whole texts, such as latin-1 or utf-16",
                    remedy="convert the file to UTF-8, or correct the dialect's encoding",
                ) from error
            if decoded:
                return decoded.encode("utf-8", "millrace-undecodable")
        return b""

    def close(self) -> None:
        self._text.close()
