"""A text file's lines, read slowly and strictly for diagnosis."""

from collections.abc import Iterator
from typing import NoReturn

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.streams import Readable, text_stream

MAX_ROW_BYTES = 32 << 20
_READ_BYTES = 1 << 20
_ESCAPED_BYTES_PER_CHARACTER = 12  # a pair of \uXXXX escapes


def row_limit_bytes(dataset: Dataset) -> int:
    """The longest row that is read: 32 MiB, or more where the text columns' ``max_length`` allow it."""
    characters = sum(column.max_length or 0 for column in dataset.columns if column.type == "string")
    return max(MAX_ROW_BYTES, characters * _ESCAPED_BYTES_PER_CHARACTER)


def lines(uri: str, dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """All lines without their ends, numbered from 1. Raises BadInputError for one beyond ``row_limit_bytes``."""
    return lines_of(text_stream(uri), uri, dataset)


def lines_of(stream: Readable, uri: str, dataset: Dataset) -> Iterator[tuple[int, bytes]]:
    """The lines of a text that is already open."""
    limit_bytes = row_limit_bytes(dataset)
    rest, number = b"", 0
    while piece := stream.read(_READ_BYTES):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            number += 1
            if len(line) > limit_bytes:
                refuse_length(uri, number, dataset)
            yield number, line
        if len(rest) > limit_bytes:
            refuse_length(uri, number + 1, dataset)
    if rest:
        yield number + 1, rest


def refuse_length(uri: str, number: int, dataset: Dataset) -> NoReturn:
    """Raises the BadInputError of a row that is too long to be read."""
    declared = {column.name: column.max_length for column in dataset.columns if column.max_length}
    raise BadInputError(
        "the row is too long",
        where=f"{uri}, line {number}",
        rule=f"at most {row_limit_bytes(dataset):,} bytes a row, enough for every declared max_length {declared}",
        remedy="cut or drop the row at the source, close an open quote, or raise max_length in the workload",
    )


def decode(uri: str, number: int, line: bytes) -> str:
    """The line's text. Raises BadInputError where it is not UTF-8."""
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"byte {error.start + 1} of the line is not UTF-8",
            where=f"{uri}, line {number}",
            rule="text is UTF-8",
            remedy="convert the file, for instance with iconv",
        ) from error


def wrong_field(uri: str, number: int, field: str, what: str, rule: str, remedy: str = "") -> BadInputError:
    """The error of one field of one line."""
    return BadInputError(
        what,
        where=f"{uri}, line {number}, field {field!r}",
        rule=rule,
        remedy=remedy or "correct the row, or the column's declaration in the workload",
    )
