"""Rules between the fields of a declared source and of its dialect."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING

from millrace.contracts.mistakes import Mistake

if TYPE_CHECKING:
    from millrace.contracts.source import Dialect, Source

_ONE_BYTE = 127
_NOT_OF_FILES = {"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"}


def signs(dialect: Dialect) -> Iterator[Mistake]:
    """Check that delimiter, quote and escape are different single ASCII characters."""
    seen: dict[str, str] = {}
    for name in ("delimiter", "quote", "escape"):
        sign = getattr(dialect, name)
        if sign is None:
            continue
        if sign in seen:
            yield Mistake(
                (name,),
                f"{seen[sign]} and {name} are both {sign!r}",
                "delimiter, quote and escape differ",
                "correct one of them; a doubled quote needs no escape",
            )
        elif ord(sign) > _ONE_BYTE or sign in "\r\n\0":
            yield Mistake(
                (name,),
                f"{sign!r} cannot be a dialect's {name}",
                "a sign is one ASCII character and no line end",
                "name the sign that the file really has",
            )
        seen.setdefault(sign, name)
    if dialect.escape_in == "quotes" and (dialect.escape is None or dialect.quote is None):
        yield Mistake(
            ("escape_in",),
            'escape_in="quotes" lacks its signs',
            "it needs an escape and a quote",
            'declare escape="\\\\", or leave escape_in out',
        )


def decimal_mark(dialect: Dialect) -> Iterator[Mistake]:
    """Check that the decimal mark is not the delimiter."""
    if dialect.decimal_mark == dialect.delimiter or (dialect.decimal_mark == "," and dialect.delimiter is None):
        yield Mistake(
            ("decimal_mark",),
            "the decimal mark is the delimiter",
            "a decimal mark is not the delimiter, which is a comma unless it is named",
            "name the delimiter that the file has, such as ';'",
        )


def encoding(dialect: Dialect) -> Iterator[Mistake]:
    """Check that the encoding is one of Python's for text files."""
    try:
        codec = codecs.lookup(dialect.encoding)
    except (LookupError, ValueError):
        yield Mistake(
            ("encoding",),
            f"unknown encoding {dialect.encoding!r}",
            "one of Python's encodings",
            "use Python's names, such as utf-8, latin-1 or cp1252",
        )
        return
    if codec.name in _NOT_OF_FILES or not codec._is_text_encoding:
        yield Mistake(
            ("encoding",),
            f"{dialect.encoding!r} is no encoding of text files",
            "an encoding in which each row can be read by itself",
            "use one such as utf-8, utf-16, latin-1 or cp1252",
        )


def has_a_dialect(source: Source) -> Iterator[Mistake]:
    """Check that a dialect is declared only for a format that has one."""
    if source.format in {"jsonl", "parquet"} and source.dialect != type(source.dialect)():
        yield Mistake(
            ("dialect",),
            f"a dialect is of csv and tsv; {source.format} has none",
            "JSON Lines is UTF-8 with JSON's own rules, Parquet has its own types",
            "leave dialect out",
        )


DIALECT_RULES = (signs, decimal_mark, encoding)
SOURCE_RULES = (has_a_dialect,)
