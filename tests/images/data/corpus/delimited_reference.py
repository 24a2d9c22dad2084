"""What Python's csv module gives for a file of CSV or TSV, record by record, and what each field's text is worth.

Spark's rule, which that module does not have, is read sign by sign, as Spark 4.1 was seen to read it.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from millrace.contracts.data import Dialect
from tests.images.data.corpus.case import LABELS, Row

LONE_CR = re.compile(r"\r(?!\n|\Z)")
STAND_IN = "\U000f00cd"
"""For a CR without LF, on which Python's csv gives up the whole line."""
INTEGER = re.compile(r"[ \t]*(-?[0-9]+)[ \t]*")
NUMBER = re.compile(r"[ \t]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t]*")
TRUTHS = dict.fromkeys(("true", "True", "TRUE", "1"), True) | dict.fromkeys(("false", "False", "FALSE", "0"), False)
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Record:
    """A record: the line that it begins on, and its row, None where it is none.

    ``may_be_bad``: to refuse it is right too.
    """

    line: int
    row: Row | None
    may_be_bad: bool = False


class NoFileError(Exception):
    """No record can be told, or the file has not the declared columns, or a label that is unknown."""


def records(data: bytes, dialect: Dialect, delimiter: str, names: tuple[str, ...]) -> list[Record]:
    """The file's records behind its header. Raises NoFileError."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    text = LONE_CR.sub(STAND_IN, text)
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    found = _spark(text, delimiter) if dialect.escape_in == "quotes" else _python(lines, dialect, delimiter)
    header = next(found, (0, [], 0))[1]
    if sorted(header) != sorted(names):
        raise NoFileError
    order = [header.index(name) for name in names]
    return [
        _record(line, fields, "".join(lines[line - 1 : end]), dialect, order, delimiter) for line, fields, end in found
    ]


def _python(lines: list[str], dialect: Dialect, delimiter: str) -> Iterator[tuple[int, list[str], int]]:
    reader = csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=dialect.quote,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        escapechar=dialect.escape,
        doublequote=True,
        strict=True,
    )
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise NoFileError from error
        if fields:
            yield line, fields, reader.line_num


def _spark(text: str, delimiter: str) -> Iterator[tuple[int, list[str], int]]:
    at, line = 0, 1
    while at < len(text):
        begin, fields = at, []
        while True:
            field, at = _spark_field(text, at, delimiter)
            fields.append(field)
            if not text.startswith(delimiter, at):
                break
            at += 1
        is_blank = at == begin
        at += 2 if text.startswith("\r\n", at) else 1
        ends = text.count("\n", begin, at)
        if not is_blank:
            yield line, fields, line + ends - 1 if text.endswith("\n", begin, at) else line + ends
        line += ends


def _spark_field(text: str, at: int, delimiter: str) -> tuple[str, int]:
    if not text.startswith('"', at):
        end = re.compile(rf"{re.escape(delimiter)}|\r?(?:\n|\Z)").search(text, at)
        assert end is not None
        return text[at : end.start()], end.start()
    value, at = [], at + 1
    while True:
        if at >= len(text):
            raise NoFileError
        sign = text[at]
        if sign == "\\" and text[at + 1 : at + 2] in ("\\", '"'):
            value.append(text[at + 1])
            at += 2
        elif sign == '"':
            if text[at + 1 : at + 2] in (delimiter, "\n", "") or text[at + 1 : at + 3] in ("\r\n", "\r"):
                return "".join(value), at + 1
            raise NoFileError
        else:
            value.append(sign)
            at += 1


def _record(line: int, fields: list[str], raw: str, dialect: Dialect, order: list[int], delimiter: str) -> Record:
    may_be_bad = STAND_IN in raw
    if dialect.escape and dialect.escape_in == "anywhere":
        kept = re.escape(f"{dialect.quote or ''}{dialect.escape}{delimiter}\r\n{STAND_IN}")
        escape = re.escape(dialect.escape)
        may_be_bad |= re.search(rf"{escape}[^{kept}]", raw.replace(dialect.escape * 2, "")) is not None
    try:
        raw.encode()
    except UnicodeEncodeError:
        return Record(line, None)
    if len(fields) != len(order):
        return Record(line, None)
    try:
        return Record(line, _typed([fields[index].replace(STAND_IN, "\r") for index in order]), may_be_bad)
    except ValueError:
        return Record(line, None)


def _typed(fields: list[str]) -> Row:
    """The row of generated.TEXT_COLUMNS. Raises ValueError where it is none."""
    number, text, count, size, known, label = fields
    row = (_integer(number), text, _maybe(_integer, count), _maybe(_number, size), _maybe(_truth, known), label)
    return row


def _maybe(read: Any, text: str) -> Any:
    return None if text == "" else read(text)


def _integer(text: str) -> int:
    found = INTEGER.fullmatch(text)
    if found is None or len(found[1].lstrip("-0")) > 19 or not -(2**63) <= int(found[1]) < 2**63:
        raise ValueError
    return int(found[1])


def _number(text: str) -> float:
    found = NUMBER.fullmatch(text)
    if found is None or not abs(float(found[1])) < float("inf"):
        raise ValueError
    return float(found[1])


def _truth(text: str) -> bool:
    if text not in TRUTHS:
        raise ValueError
    return TRUTHS[text]


def by_label(found: list[Record]) -> list[Record]:
    """The records; one that may be bad and has an unknown label is bad, or the reason to refuse the file.

    Raises NoFileError for an unknown label of any other one.
    """
    unknown = [record for record in found if record.row is not None and record.row[-1] not in LABELS]
    if any(not record.may_be_bad for record in unknown):
        raise NoFileError
    lines = {record.line for record in unknown}
    return [Record(record.line, None, may_be_bad=True) if record.line in lines else record for record in found]
