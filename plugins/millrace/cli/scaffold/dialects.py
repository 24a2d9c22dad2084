"""Guess the dialect (delimiter, quote, escape) of delimited text from its first rows.

Each candidate is tried on the text and scored as by van den Burg, Nazábal and Sutton (Wrangling messy CSV files by
detecting row and type patterns, 2019): the regularity of row lengths times the share of fields with a known type.
"""

import csv
import io
import re
from collections import Counter
from itertools import product
from typing import Literal

from millrace.contracts.source import Dialect

_DELIMITERS = ("\t", "|", ";", ",", ":", "^", "~")  # rarer in texts first: with equal scores the first wins
_QUOTES = ('"', "'")
_ROWS_TRIED = 200
_TYPED = re.compile(
    r"\s*(|[+-]?\d*[.,]?\d+([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T][\d:.+Z-]+)?"
    r"|true|false|yes|no|null|na|n/a)\s*\Z",
    re.IGNORECASE,
)
_PLAIN_TEXT = re.compile(r"""[^,;\t|^~"\n]*\Z""")
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*\Z")
_TYPE_UNKNOWN = 0.01
csv.field_size_limit(1 << 24)


def guess_dialect(text: str, encoding: str) -> Dialect:
    """Return the dialect with the highest score; the default dialect for a file with one column."""
    lines = text[: 1 << 18]
    escapes = (None, "\\") if '\\"' in lines or "\\'" in lines else (None,)
    tried = [
        _dialect(delimiter, quote, escape, encoding, lines)
        for delimiter, quote, escape in product(_DELIMITERS, _QUOTES, escapes)
        if delimiter in lines and (quote == _QUOTES[0] or quote in lines)
    ]
    scored = [(_score(parse(lines, each, _ROWS_TRIED)), each) for each in tried]
    # with equal scores the first wins, which is the simplest
    best, dialect = max(scored, key=lambda pair: pair[0], default=(0.0, Dialect(encoding=encoding)))
    return dialect if best > 0 else Dialect(encoding=encoding)


def _dialect(delimiter: str, quote: str, escape: str | None, encoding: str, text: str) -> Dialect:
    # Spark escapes only within quotes; before another character its escape character is literal
    within: Literal["anywhere", "quotes"] = "quotes" if escape and f"{escape}{delimiter}" not in text else "anywhere"
    return Dialect(delimiter=delimiter, quote=quote, escape=escape, escape_in=within, encoding=encoding)


def parse(text: str, dialect: Dialect, rows: int) -> list[list[str]]:
    """Return at most ``rows`` rows, parsed by Python's csv up to its first error; empty lines are left out."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter or ",",
        quotechar=dialect.quote,
        escapechar=dialect.escape,
        doublequote=dialect.escape is None,
    )
    found: list[list[str]] = []
    try:
        for row in reader:
            if row:
                found.append(row)
            if len(found) >= rows:
                break
    except csv.Error:
        return found
    return found


def header_row(rows: list[list[str]]) -> bool:
    """Return whether the first row is a header: no number above a column of numbers, and no value of the rows below."""
    if len(rows) < 2:
        return True
    first = rows[0]
    if any(name and name in {row[index] for row in rows[1:] if index < len(row)} for index, name in enumerate(first)):
        return False
    if not any(_NUMBER.match(name) for name in first):
        return True
    return not any(
        _NUMBER.match(name) and all(_NUMBER.match(row[index]) for row in rows[1:] if index < len(row) and row[index])
        for index, name in enumerate(first)
    )


def _score(rows: list[list[str]]) -> float:
    if not rows:
        return 0.0
    widths = Counter(map(len, rows))
    pattern = sum(count * (width - 1) / width for width, count in widths.items() if width > 1) / len(widths) / len(rows)
    fields = [field for row in rows for field in row]
    typed = sum(1.0 if _TYPED.match(field) or _PLAIN_TEXT.match(field) else 0.0 for field in fields)
    return pattern * max(_TYPE_UNKNOWN, typed / len(fields))
