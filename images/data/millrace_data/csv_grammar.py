"""Grammar of CSV and TSV: defines where records and fields end, by the dialect alone.

RFC 4180 with three additions: a quote inside a field that does not begin with one is text; blank lines are not records;
a line ends with LF or CR LF, and a CR elsewhere is valid only in a quoted field. Escapes are as Dialect defines them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from millrace.contracts.source import Dialect

_BLANK = (b"\n", b"\r\n")


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
