"""Cutter for CSV and TSV: finds where rows end, by a fast path if quotes occur only around whole fields."""

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace_data.chunks import Cut, positions
from millrace_data.csv_grammar import Break, Grammar
from millrace_data.first_bytes import HEAD_BYTES, likeness

_CR, _LF = ord("\r"), ord("\n")


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
