"""One awkward file of arrivals: its bytes, its declaration, and what becomes of it."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import SPARK, Column, Dialect

SEPARATORS = {"csv": ",", "tsv": "\t"}
ID, TEXT, LABEL = (
    Column(name="id", type="int64"),
    Column(name="text", type="string"),
    Column(name="label", type="string"),
)
COLUMNS = (ID, TEXT, LABEL)
LABELS = ("yes", "no")
RFC_4180, SPARK_DIALECT = Dialect(), SPARK

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Bad:
    """A row that cannot be read: the first line that it stands on, the field, and words of the error (a pattern)."""

    line: int
    field: str = ""
    says: str = ""


@dataclass(frozen=True)
class Refused:
    """The file is refused whatever share of its rows may be bad.

    ``says`` is a pattern found in what, rule and remedy, ``where`` one that is found behind the file's address.
    """

    says: str
    where: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Case:
    """A file and what is expected: ``rows`` in the order of ``columns``, beside them those that are ``bad``.

    Without ``bad`` and ``refused`` the rows are all there is. Where rows are bad, a source that bears none refuses the
    file at the first of them, and one that bears some takes the others. The content is stored plain, and compressed in
    each of ``endings``; ``stored`` content is put under its one ending as it is.
    """

    name: str
    format: Any
    content: bytes
    rows: tuple[Row, ...] = ()
    bad: tuple[Bad, ...] = ()
    refused: Refused | None = None
    columns: tuple[Column, ...] = COLUMNS
    dialect: Dialect = RFC_4180
    dataset: Mapping[str, Any] = field(default_factory=dict)
    duplicates: int = 0
    dropped: tuple[str, ...] = ()
    endings: tuple[str, ...] = ("", ".gz", ".zst")
    stored: bool = False

    def at_line(self) -> "Case":
        """The same where no field can be blamed: the line is no JSON at all."""
        return replace(self, bad=tuple(replace(bad, field="") for bad in self.bad))

    def with_separator(self) -> "Case":
        """The same with the format's separator for "¦" in the expected texts."""
        sign = SEPARATORS[self.format]
        rows = tuple(tuple(v.replace("¦", sign) if isinstance(v, str) else v for v in row) for row in self.rows)
        return replace(self, rows=rows)


def both(name: str, text: str | bytes, *rows: Row, **fields: Any) -> Iterator[Case]:
    """The same text as CSV and as TSV; "¦" stands for the separator."""
    data = text.encode() if isinstance(text, str) else text
    for source_format, separator in SEPARATORS.items():
        content = data.replace("¦".encode(), separator.encode())
        yield Case(name, source_format, content, tuple(rows), **fields)


def delimited(name: str, text: str | bytes, *rows: Row, **fields: Any) -> Case:
    """A CSV file as it is, in a dialect of its own for instance."""
    return Case(name, "csv", text.encode() if isinstance(text, str) else text, tuple(rows), **fields)


def lines(name: str, text: str | bytes, *rows: Row, **fields: Any) -> Case:
    """A JSON Lines file."""
    return Case(name, "jsonl", text.encode() if isinstance(text, str) else text, tuple(rows), **fields)


def stored(name: str, source_format: str, content: bytes, *rows: Row, ending: str = "", **fields: Any) -> Case:
    """Bytes that are stored as they are under a name with that ending."""
    return Case(name, source_format, content, tuple(rows), endings=(ending,), stored=True, **fields)


def parquet(name: str, table: pa.Table | bytes, *rows: Row, **fields: Any) -> Case:
    """A Parquet file, of a table or of bytes."""
    return stored(name, "parquet", table if isinstance(table, bytes) else parquet_bytes(table), *rows, **fields)


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def column(kind: str, **fields: Any) -> tuple[Column, ...]:
    """id, a column ``value`` of that type, and label."""
    return (ID, Column(name="value", type=kind, **fields), LABEL)


def typed(kind: str, source_format: str, text: str, expected: Any, good: tuple[str, Any], **fields: Any) -> Case:
    """A file whose first row has ``text`` for a value of that type, and whose second has a good one.

    ``expected`` is the value, or Bad's words where there is none.
    """
    declared = {name: fields.pop(name) for name in ("nullable", "minimum", "maximum") if name in fields}
    shown = text if len(text) <= 40 else f"{text[:20]}…({len(text)})"
    if source_format == "jsonl":
        content = "".join(
            f'{{"id": {number}, "value": {value}, "label": "{label}"}}\n'
            for number, value, label in ((1, text, "yes"), (2, good[0], "no"))
        )
        line = 1
    else:
        cell = text if any(sign in text for sign in '",\t\n') is False else '"' + text.replace('"', '""') + '"'
        content = f"id¦value¦label\n1¦{cell}¦yes\n2¦{good[0]}¦no\n".replace("¦", SEPARATORS[source_format])
        line = 2
    rows: tuple[Row, ...] = ((2, good[1], "no"),)
    bad: tuple[Bad, ...] = ()
    if isinstance(expected, Wrong):
        bad = (Bad(line, "value", expected.says),)
    else:
        rows = ((1, expected, "yes"), *rows)
    name = f"{kind}: {shown!r}"
    return Case(name, source_format, content.encode(), rows, bad, columns=column(kind, **declared), **fields)


@dataclass(frozen=True)
class Wrong:
    """A text that is no value of its type; ``says`` is a pattern found in the error."""

    says: str = ""
