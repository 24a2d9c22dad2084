"""A declared encoding on its way to UTF-8."""

import io
import re
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace_data.streams import as_utf8

TEXT = "größe,€,😀\n"


class _ByteByByte(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(1 if size else 0)

    def readinto(self, into: Any, /) -> int:
        return super().readinto(into[:1])


def through(data: bytes, encoding: str) -> bytes:
    whole = []
    for stream in (io.BytesIO(data), _ByteByByte(data)):
        text = as_utf8(stream, encoding, "file:///x")
        into, found = bytearray(7), b""
        while size := text.readinto(memoryview(into)):
            found += into[:size]
        whole.append(re.sub(b"\xff+", b"\xff", found))
    assert whole[0] == whole[1], "the same, however the bytes come; of undecodable ones in a row the number may differ"
    return whole[0]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "UTF8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]
)
def test_text_comes_through_without_its_mark(encoding: str) -> None:
    assert through(TEXT.encode(encoding), encoding).decode() == TEXT
    assert through(("\ufeff" + TEXT).encode(encoding), encoding).decode().lstrip("\ufeff") == TEXT


def test_a_mark_is_taken_off_the_beginning_only() -> None:
    assert through(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", "utf-8") == b"a\n\xef\xbb\xbfb\n"
    assert through(b"\xef\xbb", "utf-8") == b"\xef\xbb"
    assert through(b"\xef\xbb\xbf", "utf-8") == b""


@pytest.mark.parametrize(
    ("encoding", "row"),
    [
        ("ascii", "é".encode()),
        ("cp1252", b"\x81\x8d"),
        ("iso8859-6", b"\xdb\xa1"),
        ("utf-7", b"+2AA-"),
        ("shift_jis", b"\x81"),
        ("gb18030", b"\xff\xff"),
    ],
)
def test_what_is_not_of_the_encoding_spoils_its_row_alone(encoding: str, row: bytes) -> None:
    good, bad, last = through(b"good\n" + row + b"\nlast\n", encoding).split(b"\n")[:3]
    assert good == b"good"
    assert last == b"last"
    with pytest.raises(UnicodeDecodeError):
        bad.decode()


def test_half_a_pair_and_half_a_unit_of_utf_16_spoil_their_rows() -> None:
    data = "a\n".encode("utf-16-le") + b"\x00\xd8" + "\nb\n".encode("utf-16-le") + b"\x00"
    assert [line.decode(errors="replace") for line in through(data, "utf-16-le").split(b"\n")] == [
        "a",
        "\ufffd",
        "b",
        "\ufffd",
    ]


def test_a_decoder_that_gives_up_refuses_the_file() -> None:
    with pytest.raises(BadInputError, match="cannot be decoded"):
        through(b"some text\n", "undefined")
