"""A text in its declared encoding as UTF-8, without a byte order mark."""

import codecs
from codecs import BOM_UTF8

from millrace.contracts.errors import BadInputError
from millrace_data.streams import Readable

_NO_TEXT = "\udcff"  # a byte that is no UTF-8, once written
_ONE_BYTE = 0x80


def _undecodable(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not of the encoding stay bytes that are not of UTF-8: their row alone is bad."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    byte = error.object[error.start]
    return (chr(0xDC00 + byte) if byte >= _ONE_BYTE else _NO_TEXT), error.end


codecs.register_error("millrace-undecodable", _undecodable)


def as_utf8(text: Readable, encoding: str, uri: str) -> Readable:
    """The same text in UTF-8. Raises BadInputError for a name that is not a text's encoding."""
    codec = codecs.lookup(encoding)
    if codec.name in {"utf-8", "utf-8-sig"}:
        return _Utf8(text)
    if not codec._is_text_encoding or codec.incrementaldecoder is None:
        raise BadInputError(
            f"{encoding!r} is no encoding of text",
            where=uri,
            rule="Python's name of an encoding, such as latin-1 or utf-16",
            remedy="correct the dialect's encoding",
        )
    return _Utf8(_Decoded(text, codec.incrementaldecoder("millrace-undecodable")))


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
    def __init__(self, text: Readable, decoder: codecs.IncrementalDecoder) -> None:
        self._text = text
        self._decoder = decoder
        self._at_end = False

    def read(self, size: int, /) -> bytes:
        while not self._at_end:
            data = self._text.read(size)
            self._at_end = not data
            if decoded := self._decoder.decode(data, final=self._at_end):
                return decoded.encode("utf-8", "surrogateescape")
        return b""

    def close(self) -> None:
        self._text.close()
