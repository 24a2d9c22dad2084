"""Reader of JSON Lines: by pyarrow where it certainly agrees with Python's json, otherwise row by row with json."""

import json
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace_data import arrays, texts
from millrace_data.arrival_errors import listed, not_utf8, wrong_field, wrong_row
from millrace_data.chunks import Chunk, Cut, Rows, chunks, one_by_one, positions
from millrace_data.first_bytes import HEAD_BYTES, likeness
from millrace_data.schema import item_kind, source_schema
from millrace_data.streams import Text

_LONGEST_INTEGER_DIGITS = 400  # longer integers exceed the range of a double

Take = Callable[[object], object]
_NAMED_ROWS = 1000
_DEEPEST = 100
_BLANKS = b" \t\r"
_OWN_WORDS = re.compile(rb"(?:Inf|-NaN)(?=[\s,\]}])")  # only pyarrow's reader accepts these
Pairs = tuple[tuple[str, object], ...]


class NumberText(str):
    """Text of a JSON number other than a plain integer: fraction, exponent, over 400 digits, -0, NaN or infinity."""

    __slots__ = ()


_MINUS_ZERO = NumberText("-0")  # a float keeps its sign


def integer_of(digits: str) -> int | NumberText:
    """Return the integer, or its text if it is -0 or longer than 400 digits."""
    if digits == _MINUS_ZERO:
        return _MINUS_ZERO
    return int(digits) if len(digits) <= _LONGEST_INTEGER_DIGITS else NumberText(digits)


def taker(kind: ColumnKind) -> Take:
    """Return the function that converts a JSON value to one for pyarrow; it raises WrongTextError.

    The caller handles null.
    """
    match kind.kind:
        case "string":
            return lambda value: _string(kind, value)
        case "bool":
            return lambda value: value if type(value) is bool else _refuse(kind, value)
        case "integer":
            return lambda value: _integer(kind, value)
        case "float":
            return lambda value: _float(kind, value)
        case "decimal":
            return lambda value: texts.decimal(kind, str(value)) if _is_number_or_text(value) else _refuse(kind, value)
        case "list":
            return _list_taker(kind)
    parse = texts.parser(kind)
    return lambda value: parse(_string(kind, value))


def _list_taker(kind: ColumnKind) -> Take:
    take = taker(item_kind(kind))

    def items(value: object) -> object:
        if type(value) is not list:
            return _refuse(kind, value)
        return [take(item) for item in value]

    return items


def _string(kind: ColumnKind, value: object) -> str:
    if type(value) is not str:
        _refuse(kind, value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise texts.WrongTextError("an escape is half of a surrogate pair", "escapes name whole characters") from None
    return value


def _integer(kind: ColumnKind, value: object) -> object:
    if value is _MINUS_ZERO:
        return 0
    return texts.in_bounds(kind, value) if type(value) is int else _refuse(kind, value)


def _float(kind: ColumnKind, value: object) -> float:
    if type(value) is int:
        try:
            return texts.finite(kind, float(value))
        except OverflowError:
            return texts.finite(kind, float("inf"))
    return texts.finite(kind, float(value)) if type(value) is NumberText else _refuse(kind, value)


def _is_number_or_text(value: object) -> bool:
    return type(value) in {int, str, NumberText}


def _refuse(kind: ColumnKind, value: object) -> NoReturn:
    raise texts.WrongTextError(f"the value is {_named(value)}", texts.described(kind))


def _named(value: object) -> str:
    if value is _MINUS_ZERO:
        return "an integer"
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int():
            return "an integer"
        case NumberText():
            return "a number with a fraction or an exponent, NaN or infinite"
        case str():
            return "a string"
        case list():
            return "a list"
    return "an object"


_OPEN, _CLOSE, _LIST, _CR, _LF = (ord(sign) for sign in "{}[\r\n")

_decoder = json.JSONDecoder(
    # an object is a tuple of pairs, so that duplicate names are detected
    object_pairs_hook=tuple,
    parse_float=NumberText,
    parse_int=integer_of,
    parse_constant=NumberText,
)


class JsonRows:
    """Reads one file of JSON Lines into the declared columns."""

    def __init__(self, uri: str, dataset: Dataset) -> None:
        self._uri = uri
        self._dataset = dataset
        self._drops = dataset.extra_columns == "drop"
        self._schema = source_schema(dataset)
        self._columns = {column.arrives_as: (column, taker(column.kind)) for column in dataset.columns}
        self._read_schema = pa.schema([(name, arrays.json_type(c.kind)) for name, (c, _) in self._columns.items()])

    def chunks(self, text: Text) -> Iterator[Chunk]:
        """Yield the text in chunks of whole lines."""
        return chunks(text, self, self._uri, self._dataset)

    def cut(self, data: bytes | bytearray, line: int, at_end: bool) -> Cut:
        """Find the end of the last whole line."""
        ends = positions(np.frombuffer(data, np.uint8), _LF)
        return Cut(int(ends[-1]) + 1, True, ends, len(ends)) if len(ends) else Cut(0, True)

    def rows(self, chunk: Chunk, first_bad_only: bool) -> Rows:
        """Return the rows of a chunk and its unreadable rows; with ``first_bad_only``, stop at the first of these."""
        batch = self._whole(chunk)
        found = Rows(batch) if batch is not None else self._one_by_one(chunk, first_bad_only)
        if self._drops and chunk.line <= _NAMED_ROWS:
            return Rows(found.batch, found.bad, self._extra_names(chunk))
        return found

    def _whole(self, chunk: Chunk) -> pa.RecordBatch | None:
        rows = _objects(chunk)
        if rows is None or not chunk.is_utf8() or (self._drops and _may_disagree(chunk)):
            return None
        try:
            table = pajson.read_json(
                pa.BufferReader(chunk.buffer),
                read_options=pajson.ReadOptions(use_threads=False, block_size=chunk.end + 1),
                parse_options=pajson.ParseOptions(
                    explicit_schema=self._read_schema, unexpected_field_behavior="ignore" if self._drops else "error"
                ),
            )
        except pa.ArrowInvalid:
            return None
        if table.num_rows != rows:
            return None
        held = []
        for name, (column, _) in self._columns.items():
            array = arrays.joined(table.column(name))
            converted = None if array.null_count and not column.nullable else arrays.from_json(column.kind, array)
            if converted is None:
                return None
            held.append(converted)
        return pa.record_batch(held, schema=self._schema)

    def _one_by_one(self, chunk: Chunk, first_bad_only: bool) -> Rows:
        lines = (
            (number, line + b"\n", (number, line))
            for number, line in enumerate(chunk.data.split(b"\n")[:-1], chunk.line)
            if line.strip(_BLANKS)
        )

        def values(numbered: tuple[int, bytes]) -> list[object]:
            return self._values(numbered[0], self._object(*numbered))

        return Rows(*one_by_one(lines, values, self._schema, first_bad_only))

    def _object(self, number: int, line: bytes) -> Pairs:
        try:
            row = _decoder.decode(line.decode())
        except UnicodeDecodeError as error:
            raise not_utf8(self._uri, number, error) from None
        except json.JSONDecodeError as error:
            raise self._not_json(number, line, error) from None
        except RecursionError:
            raise wrong_row(
                self._uri, number, "the line is nested too deeply", "one flat JSON object a line", "flatten the object"
            ) from None
        if type(row) is not tuple:
            raise wrong_row(
                self._uri, number, "the line is not a JSON object", "one JSON object a line", _remedy(number, line)
            )
        return row

    def _not_json(self, number: int, line: bytes, error: json.JSONDecodeError) -> BadInputError:
        several = error.msg == "Extra data" and line.lstrip(_BLANKS).startswith(b"{")
        what = "the line goes on behind its object" if several else "the line is not JSON"
        return BadInputError(
            what,
            where=f"{self._uri}, line {number}, character {error.colno}",
            rule="one JSON object a line, and lines that end with LF or CR LF",
            remedy=_remedy(number, line),
        )

    def _values(self, number: int, row: Pairs) -> list[object]:
        fields = dict(row)
        if len(fields) < len(row):
            self._refuse_twice(number, row)
        if (
            not self._drops
            and (extra := next((name for name in fields if name not in self._columns), None)) is not None
        ):
            rule = f"the columns {listed(self._columns)} only"
            raise wrong_field(self._uri, number, extra, "the field is not declared", rule)
        return [self._value(number, name, fields) for name in self._columns]

    def _refuse_twice(self, number: int, row: Pairs) -> None:
        seen: set[str] = set()
        for name, _ in row:
            if name in seen and name in self._columns:
                raise wrong_field(self._uri, number, name, "the field is there twice", "each field once a row")
            seen.add(name)

    def _value(self, number: int, name: str, fields: dict[str, object]) -> object:
        column, take = self._columns[name]
        value = fields.get(name)
        if value is None:
            if column.nullable:
                return None
            what = "the value is null" if name in fields else "the field is missing"
            raise wrong_field(self._uri, number, name, what, "the column is complete")
        try:
            return take(value)
        except texts.WrongTextError as error:
            raise wrong_field(self._uri, number, name, error.what, error.rule, error.remedy) from None

    def _extra_names(self, chunk: Chunk) -> frozenset[str]:
        """Return names of fields that are not declared, from the readable ones of the file's first 1,000 lines."""
        found: set[str] = set()
        for number, line in enumerate(chunk.data.split(b"\n", _NAMED_ROWS)[:_NAMED_ROWS], chunk.line):
            if number > _NAMED_ROWS:
                break
            try:
                found |= {name for name, _ in self._object(number, line)}
            except BadInputError:
                continue
        return frozenset(name for name in found if name not in self._columns)


def _objects(chunk: Chunk) -> int | None:
    """Return the number of lines that are not blank if each begins with { and ends with }, otherwise None.

    Inside a JSON value no line that ends with } precedes one that begins with {, and no string contains a line end. So
    if pyarrow finds this number of objects, each line is one object.
    """
    signs = chunk.signs
    ends = chunk.marks
    before = signs[ends - 1]
    if (before == _CR).any():
        before = np.where(before == _CR, signs[ends - 2], before)
    if signs[0] == _OPEN and (signs[ends[:-1] + 1] == _OPEN).all() and (before == _CLOSE).all():
        return len(ends)
    lines = [line for each in chunk.data.split(b"\n") if (line := each.strip(_BLANKS))]
    return len(lines) if all(line[:1] == b"{" and line[-1:] == b"}" for line in lines) else None


def _may_disagree(chunk: Chunk) -> bool:
    """Return whether a dropped field might contain a value that only one of pyarrow and json accepts."""
    if _OWN_WORDS.search(chunk.data):
        return True
    signs = chunk.signs
    opened = np.flatnonzero((signs == _OPEN) | (signs == _LIST))
    if len(opened) <= _DEEPEST:
        return False
    return bool(np.diff(np.searchsorted(opened, chunk.marks), prepend=0).max() > _DEEPEST)


def _remedy(number: int, line: bytes) -> str:
    if number == 1 and (like := likeness(line[:HEAD_BYTES])) not in {None, "like JSON"}:
        return f"the file begins {like}: declare its format in the workload, or export it as JSON Lines"
    if b"\r" in line.strip(_BLANKS):
        return "the line has a carriage return (CR) inside: write line ends as LF, for instance with mac2unix"
    return "correct the line; an object has no line break inside"
