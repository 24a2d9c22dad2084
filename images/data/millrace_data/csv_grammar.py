"""Grammar of CSV and TSV: defines where records and fields end, by the dialect alone; and the cutter that follows it.

RFC 4180 with three additions: a quote inside a field that does not begin with one is text; blank lines are not records;
a line ends with LF or CR LF, and a CR elsewhere is valid only in a quoted field. Escapes are as Dialect defines them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import Dialect
from millrace_data.chunks import Cut, positions
from millrace_data.first_bytes import HEAD_BYTES, likeness

_BLANK = (b"\n", b"\r\n")
_CR, _LF = ord("\r"), ord("\n")


@dataclass(frozen=True)
class FieldError:
    """An error in the text of a record, found before its values are converted."""

    what: str
    rule: str
    remedy: str


@dataclass(frozen=True)
class Record:
    """One record: its fields' texts, and the first error in them if any; ``line`` is the number of its first line."""

    line: int
    text: bytes
    fields: list[bytes]
    error: FieldError | None


@dataclass(frozen=True)
class Break:
    """A field that violates the grammar, so that later records cannot be told apart; ``line`` is its first line.

    Text follows its closing quote, or it has none (``is_open``). ``escaped``: a backslash precedes a quote in it.
    """

    line: int
    is_open: bool
    escaped: bool


_LONE_CR = FieldError(
    "a carriage return stands alone, outside quotes",
    "a line ends with LF or CR LF; a field that holds a line end is quoted",
    "write line ends as LF, for instance with dos2unix, or quote the field",
)
_ORDINARY_ESCAPED = FieldError(
    "an escape stands before an ordinary character",
    "an escape makes only a quote, the delimiter, a line end or itself text",
    'double the escape at the source, or declare escape_in="quotes" for a file of Spark',
)


class Grammar:
    """The grammar of a dialect, as regular expressions."""

    def __init__(self, dialect: Dialect, delimiter: str) -> None:
        self._delimiter = delimiter.encode()
        self._quote = dialect.quote.encode() if dialect.quote else None
        self._escape = dialect.escape.encode() if dialect.escape else None
        self._in_quotes_only = dialect.escape_in == "quotes"
        end = rb"(?:" + re.escape(self._delimiter) + rb"|\r?\n)"
        plain = self._plain()
        either = plain
        if self._quote is not None:
            either = rb"(?:" + self._quoted() + rb"(?=" + end + rb")|" + plain + rb")"
            self._quoted_field = re.compile(self._quoted(), re.DOTALL)
        self._plain_field = re.compile(plain, re.DOTALL)
        self._records = re.compile(
            rb"(?:" + either + rb"(?:" + re.escape(self._delimiter) + either + rb")*+\r?\n)*+", re.DOTALL
        )
        self._in_quoted, self._in_plain = self._escapes()
        self._allowed = {sign for sign in (self._quote, self._escape, self._delimiter, b"\r", b"\n") if sign}

    def _plain(self) -> bytes:
        """Return the pattern of a field without quotes around it."""
        begin = rb"(?!" + re.escape(self._quote) + rb")" if self._quote else b""
        if self._escape is None or self._in_quotes_only:
            return begin + rb"[^" + re.escape(self._delimiter) + rb"\n]*+"
        other = rb"[^" + re.escape(self._delimiter + self._escape) + rb"\n]*+"
        return begin + other + rb"(?:" + re.escape(self._escape) + rb"." + other + rb")*+"

    def _quoted(self) -> bytes:
        quote = re.escape(self._quote or b"")
        if self._escape is None:
            return quote + rb"[^" + quote + rb"]*+(?:" + quote * 2 + rb"[^" + quote + rb"]*+)*+" + quote
        escape = re.escape(self._escape)
        other = rb"[^" + quote + escape + rb"]*+"
        pair = (
            escape + rb"[" + quote + escape + rb"]|" + escape
            if self._in_quotes_only
            else quote * 2 + rb"|" + escape + rb"."
        )
        return quote + other + rb"(?:(?>" + pair + rb")" + other + rb")*+" + quote

    def _escapes(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes] | None]:
        """Return patterns of an escape and the character (group 1) that it makes text: quoted fields, plain fields."""
        quote, escape = re.escape(self._quote or b""), re.escape(self._escape or b"")
        doubled = quote + rb"(" + quote + rb")"
        if self._escape is None:
            return re.compile(doubled), None
        if self._in_quotes_only:
            return re.compile(escape + rb"([" + quote + escape + rb"])"), None
        either = rb"(?:" + escape + (rb"|" + quote + rb"(?=" + quote + rb")" if quote else b"") + rb")(.|\Z)"
        return re.compile(either, re.DOTALL), re.compile(escape + rb"(.|\Z)", re.DOTALL)

    def end_of_records(self, data: bytes | bytearray) -> int:
        """Return the end of the last whole record in data that begin with a record; 0 if there is none."""
        found = self._records.match(data)
        return found.end() if found else 0

    def broken(self, data: bytes | bytearray, line: int) -> Break | None:
        """Return why the first record does not end, or None if it may end in later data."""
        at = 0
        while True:
            if self._quote is not None and data[at : at + 1] == self._quote:
                found = self._quoted_field.match(data, at)
                if found is None:
                    return Break(line + data.count(b"\n", 0, at), True, self._quote_escaped(data, at + 1, len(data)))
                if found.end() == len(data) or data[found.end() :] == b"\r":
                    return None
                opened, at = at, found.end()
                if data[at : at + 1] != self._delimiter:
                    return Break(line + data.count(b"\n", 0, opened), False, self._quote_escaped(data, opened + 1, at))
            else:
                plain = self._plain_field.match(data, at)
                at = plain.end() if plain else at
                if data[at : at + 1] != self._delimiter:
                    return None
            at += 1

    def _quote_escaped(self, data: bytes | bytearray, start: int, end: int) -> bool:
        return self._escape is None and b"\\" + (self._quote or b"") in data[start:end]

    def records(self, data: bytes, line: int) -> Iterator[Record]:
        """Yield the records of data that consist of whole records, without blank lines."""
        at = 0
        while at < len(data):
            start = at
            fields, error, at = self._record(data, at)
            text = data[start:at]
            if text not in _BLANK:
                yield Record(line, text, fields, error)
            line += text.count(b"\n")

    def _record(self, data: bytes, at: int) -> tuple[list[bytes], FieldError | None, int]:
        fields: list[bytes] = []
        error: FieldError | None = None
        is_last = False
        while not is_last:
            if self._quote is not None and data.startswith(self._quote, at):
                end = _end(self._quoted_field.match(data, at), at)
                is_last = not data.startswith(self._delimiter, end)
                field, wrong = self._text(data[at + 1 : end - 1], self._in_quoted)
                end = data.index(b"\n", end) if is_last else end
            else:
                end = _end(self._plain_field.match(data, at), at)
                is_last = not data.startswith(self._delimiter, end)
                field, wrong = self._plain_text(data[at:end].removesuffix(b"\r") if is_last else data[at:end])
            fields.append(field)
            error = error or wrong
            at = end + 1
        return fields, error, at

    def _plain_text(self, raw: bytes) -> tuple[bytes, FieldError | None]:
        if self._in_plain is None or (self._escape or b"") not in raw:
            return raw, _LONE_CR if b"\r" in raw else None
        field, wrong = self._text(raw, self._in_plain)
        return field, wrong or (_LONE_CR if b"\r" in self._in_plain.sub(b"", raw) else None)

    def _text(self, raw: bytes, escapes: re.Pattern[bytes]) -> tuple[bytes, FieldError | None]:
        wrong: list[bytes] = []

        def itself(found: re.Match[bytes]) -> bytes:
            if found[1] not in self._allowed:
                wrong.append(found[1])
            return found[1]

        field = escapes.sub(itself, raw)
        return field, _ORDINARY_ESCAPED if wrong else None


def _end(found: re.Match[bytes] | None, at: int) -> int:
    return found.end() if found else at


class CsvCutter:
    """A Cutter. Data are regular if they have no escapes, and quotes only where RFC 4180 allows them.

    The grammar cuts other data, such as those with a quote inside an unquoted field or text after a closing quote.
    """

    def __init__(self, source: Source, grammar: Grammar, uri: str) -> None:
        dialect = source.dialect
        self._quote = ord(dialect.quote) if dialect.quote else None
        self._escape = dialect.escape.encode() if dialect.escape else None
        self._doubles = dialect.escape is None or dialect.escape_in == "anywhere"
        self._delimiter = ord(source.delimiter)
        self._grammar = grammar
        self._uri = uri

    def cut(self, data: bytes | bytearray, line: int, at_end: bool) -> Cut:
        """Find the end of the last whole record. Raises BadInputError if later records cannot be told apart."""
        if line == 1:
            self._refuse_cr_only(data)
        if (self._escape is None or self._escape not in data) and (cut := self._regular(data)) is not None and cut.end:
            return cut
        if end := self._grammar.end_of_records(data):
            return Cut(end, False)
        broken = self._grammar.broken(data, line)
        if broken is not None and (at_end or not broken.is_open):
            raise self._broken(broken, likeness(bytes(data[:HEAD_BYTES])) if line == 1 else None)
        if at_end:
            raise BadInputError(
                "the file ends with an escape",
                where=f"{self._uri}, line {line}",
                rule="an escape makes the sign behind it text",
                remedy="deliver the file whole, or correct its last row or the dialect's escape",
            )
        return Cut(0, False)

    def _regular(self, data: bytes | bytearray) -> Cut | None:
        """Return the cut at the last whole record, or None if quotes before it are not where RFC 4180 allows them."""
        end = data.rfind(b"\n") + 1
        if self._quote is None or end == 0:
            return Cut(end, True)
        signs = np.frombuffer(data, np.uint8)
        quotes = positions(signs, self._quote)
        while (before := int(np.searchsorted(quotes, end))) % 2:
            # that line end is inside quotes: try the one before the quoted field
            end = data.rfind(b"\n", 0, int(quotes[before - 1])) + 1
        return Cut(end, True, quotes[:before]) if self._surround_fields(signs, quotes[:before]) else None

    def _surround_fields(self, signs: NDArray[np.uint8], quotes: NDArray[np.int64]) -> bool:
        """Return whether every opening quote begins a field, and every closing quote ends it or is doubled."""
        opening, closing = quotes[0::2], quotes[1::2]
        before = signs[opening - 1]  # wraps around for position 0, which is handled below
        begins = (before == self._delimiter) | (before == _LF)
        doubled = np.zeros(len(opening), bool)
        if self._doubles:
            doubled[1:] = opening[1:] == closing[:-1] + 1
        if len(opening):
            begins[0] |= opening[0] == 0
        after = signs[closing + 1]
        ends = (
            (after == self._delimiter)
            | (after == _LF)
            | ((after == _CR) & (signs[np.minimum(closing + 2, len(signs) - 1)] == _LF))
        )
        ends[:-1] |= doubled[1:]
        return bool((begins | doubled).all() and ends.all())

    def _refuse_cr_only(self, data: bytes | bytearray) -> None:
        first = data.find(b"\r")
        line_end = data.find(b"\n")
        if first < 0 or first + 1 == line_end or 0 <= line_end < len(data) - 1:
            return
        if self._quote is not None and data.count(bytes([self._quote]), 0, first) % 2:
            return
        raise BadInputError(
            "the file's only line ends are carriage returns (CR), as of old Macs",
            where=self._uri,
            rule="a line ends with LF or CR LF",
            remedy="convert the line ends, for instance with mac2unix or tr '\\r' '\\n'",
        )

    def _broken(self, found: Break, like: str | None) -> BadInputError:
        what = "a quoted field is not closed" if found.is_open else "a quoted field goes on after its closing quote"
        remedy = "correct the quotes of that field, or of one before it; declare quote=None where quotes are text"
        if found.escaped and self._escape is None:
            remedy = (
                "a backslash stands before a quote there: declare dialect=SPARK for a file that Spark wrote, "
                'or Dialect(escape="\\\\") for other writers that escape quotes so'
            )
        if like not in {None, "like CSV", "like TSV"}:
            what += f" (the file begins {like})"
            remedy = "declare the file's own format in the workload, or export it as the declared one"
        return BadInputError(
            what,
            where=f"{self._uri}, line {found.line}",
            rule="RFC 4180: a quote inside a quoted field is doubled; behind a broken one no row can be told, "
            "whatever max_bad_rows_share is",
            remedy=remedy,
        )
