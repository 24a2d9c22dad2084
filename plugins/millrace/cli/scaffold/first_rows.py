"""Read the first rows of a file of unknown format: detect format, dialect and columns."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from millrace.cli.scaffold.dialects import guess_dialect, header_row, parse
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import Dialect

ROWS = 1000
_BYTES = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FOREIGN = {
    b"PK": "a zip archive or an Excel workbook", b"BZh": "compressed by bzip2", b"\xfd7zXZ": "compressed by xz",
    b"%PDF": "a PDF document", b"\xd0\xcf\x11\xe0": "an old Excel workbook", b"SQLite format 3": "a SQLite database",
    b"ORC": "ORC", b"Obj\x01": "Avro", b"ARROW1": "Arrow", b"<": "HTML or XML",
}  # fmt: skip


@dataclass(frozen=True)
class FoundColumn:
    """A column by its name in the file, with its first values: texts from CSV, typed values from JSON or Parquet.

    ``type`` is the type that the format declares, "" if it declares none.
    """

    name: str
    values: Sequence[object]
    type: str = ""
    has_nulls: bool = False


@dataclass(frozen=True)
class FirstRows:
    """Format, dialect and columns of a file's first rows; ``rows`` counts them.

    ``left_out`` names columns that a workload cannot declare, each with the reason.
    """

    format: Literal["jsonl", "csv", "tsv", "parquet"]
    columns: tuple[FoundColumn, ...]
    rows: int
    dialect: Dialect = field(default_factory=Dialect)
    left_out: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_first_rows(path: Path) -> FirstRows:
    """Read at most ROWS rows, from a text file's first MiB. Raises BadInputError if the file is no supported table."""
    try:
        start, whole = _beginning(path)
    except OSError as error:
        raise _refused(path, error.strerror or str(error), "name a file that can be read") from error
    if start.startswith(b"PAR1"):
        return _parquet(path)
    for mark, what in _FOREIGN.items():
        if start.lstrip().startswith(mark):
            raise _refused(path, f"the file is {what}", "export it as CSV in UTF-8, JSON Lines or Parquet")
    if not start.strip():
        raise _refused(path, "the file is empty", "take a file that has rows")
    text, encoding, remarks = _decoded(start)
    if "\0" in text:
        raise _refused(path, "it is a binary file", "export it as CSV in UTF-8, JSON Lines or Parquet")
    if "\r" in text and "\n" not in text:
        raise _refused(path, "its lines end in CR alone", "write LF or CR LF at the ends of lines")
    if text.lstrip()[:1] == "[":
        raise _refused(path, "the file is one JSON array", "write an object a line (JSON Lines)")
    if text.lstrip()[:1] == "{":
        return _json_lines(path, _complete(text, whole))
    return _delimited(path, text, whole, encoding, remarks)


def file_ending(path: Path) -> str:
    """Return the file name's ending for this file's format and compression, such as ``.csv.gz``."""
    with path.open("rb") as file:
        head = file.read(4)
    packed = ".gz" if head.startswith(_GZIP) else ".zst" if head == _ZSTD else ""
    return f".{read_first_rows(path).format}{packed}"


def _beginning(path: Path) -> tuple[bytes, bool]:
    """Return the first MiB, decompressed, and whether the file has no more."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_GZIP):
        with gzip.open(path, "rb") as unpacked:
            start = unpacked.read(_BYTES + 1)
    elif head == _ZSTD:
        import pyarrow as pa

        with pa.input_stream(str(path), compression="zstd") as stream:
            start = stream.read(_BYTES + 1)
    else:
        with path.open("rb") as file:
            start = file.read(_BYTES + 1)
    return start[:_BYTES], len(start) <= _BYTES


def _decoded(start: bytes) -> tuple[str, str, list[str]]:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return start.decode("utf-16", "ignore"), "utf-16", []
    try:
        # the last character may be incomplete
        text = io.TextIOWrapper(io.BytesIO(start[:-4]), "utf-8-sig", newline="").read() + start[-4:].decode(
            "utf-8", "ignore"
        )
    except UnicodeDecodeError:
        guess = "it is no UTF-8; cp1252 is a guess: look at letters such as é"
        return start.decode("cp1252", "replace"), "cp1252", [guess]
    return text, "utf-8", []


def _complete(text: str, whole: bool) -> list[str]:
    lines = text.splitlines()
    return (lines if whole else lines[:-1])[:ROWS]


def _delimited(path: Path, text: str, whole: bool, encoding: str, remarks: list[str]) -> FirstRows:
    dialect = guess_dialect(text, encoding)
    rows = parse(text, dialect, ROWS + 2)
    if not whole and len(rows) <= ROWS + 1:
        rows = rows[:-1]
    if not rows:
        raise _refused(path, "no row was found in the first MiB", "look whether it is CSV at all")
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    if len(rows[0]) != usual:
        what = f"the first line has {len(rows[0])} fields, and most have {usual}"
        raise _refused(path, what, "begin with the header, or with the first row; no comments before it")
    header = header_row(rows)
    names = rows[0] if header else [f"column_{number}" for number in range(1, usual + 1)]
    body = [row for row in rows[header:] if len(row) == usual][:ROWS]
    if not body:
        raise _refused(path, "there is no row beneath the header", "take a file that has rows")
    if ragged := sum(len(row) != usual for row in rows[header:]):
        remarks.append(
            f"{ragged} of the first {len(rows) - header} rows have not {usual} fields: see max_bad_rows_share"
        )
    kind: Literal["csv", "tsv"] = "tsv" if dialect.delimiter == "\t" else "csv"
    usual_delimiter = {"tsv": "\t", "csv": ","}[kind]
    changes = {"header": header, **({"delimiter": None} if dialect.delimiter == usual_delimiter else {})}
    declared = Dialect.model_validate({**dialect.model_dump(), **changes})
    columns, left_out = _named(path, names, body)
    return FirstRows(kind, tuple(columns), len(body), declared, tuple(left_out), tuple(remarks))


def _named(path: Path, names: list[str], body: list[list[str]]) -> tuple[list[FoundColumn], list[str]]:
    columns, left_out = [], []
    for index, name in enumerate(names):
        if not name.strip():
            left_out.append(f"column {index + 1}, which has no name")
        elif name in names[:index]:
            raise _refused(path, f"two columns are called {name!r}", "give each column a name of its own")
        else:
            columns.append(FoundColumn(name, [row[index] for row in body]))
    return columns, left_out


def _json_lines(path: Path, lines: list[str]) -> FirstRows:
    rows: list[dict[str, object]] = []
    for line in filter(str.strip, lines):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    if not rows:
        raise _refused(path, "no line is a JSON object", "write an object a line (JSON Lines)")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns, left_out = [], []
    for name in names:
        values = [row.get(name) for row in rows]
        if not name.strip() or any(isinstance(value, dict) for value in values):
            left_out.append(f"{name!r}, which holds objects" if name.strip() else "one without a name")
        else:
            columns.append(FoundColumn(name, values, has_nulls=None in values))
    return FirstRows("jsonl", tuple(columns), len(rows), left_out=tuple(left_out))


def _parquet(path: Path) -> FirstRows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        batch = next(file.iter_batches(batch_size=ROWS), None)
    except (pa.ArrowException, OSError) as error:
        raise _refused(path, "the Parquet file is truncated or damaged", "write it again") from error
    if batch is None or not batch.num_rows:
        raise _refused(path, "the file has no rows", "take a file that has rows")
    columns, left_out = [], []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        kind = _arrow_type(column.type)
        if kind is None or not name.strip():
            left_out.append(f"{name!r}, which is {column.type}")
        else:
            columns.append(FoundColumn(name, column.to_pylist(), kind, has_nulls=column.null_count > 0))
    return FirstRows("parquet", tuple(columns), batch.num_rows, left_out=tuple(left_out))


def _arrow_type(kind: object) -> str | None:
    """Return the workload's name for an Arrow type; None if a workload cannot declare it."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _arrow_type(kind.value_type)  # type: ignore[attr-defined]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _arrow_type(kind.value_type)  # type: ignore[attr-defined]
        return f"list<{item}>" if item else None
    if pa.types.is_decimal(kind):
        precision, scale = kind.precision, kind.scale  # type: ignore[attr-defined]
        return f"decimal({precision},{scale})" if precision <= 38 and scale >= 0 else None
    names = {"halffloat": None, "float": "float32", "double": "float64", "date32[day]": "date",
             "large_string": "string", "string_view": "string", "large_binary": "binary"}  # fmt: skip
    text = str(kind)
    if text in names:
        return names[text]
    if pa.types.is_timestamp(kind):
        return "timestamp"
    plain = text in {"string", "bool", "binary"} or pa.types.is_integer(kind)
    return text if plain else None


def _refused(path: Path, what: str, remedy: str) -> BadInputError:
    return BadInputError(
        what, where=str(path), rule="CSV, TSV, JSON Lines or Parquet, plain or with gzip or zstd", remedy=remedy
    )
