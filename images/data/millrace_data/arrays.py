"""Conversion of whole arrays, as pyarrow's CSV and JSON readers return them, to the declared types.

A function returns None if it cannot convert the whole array with certainty; the values may still be valid, and the
caller parses them one by one (``texts``).
"""

import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.column_types import ColumnKind
from millrace_data import texts
from millrace_data.schema import arrow_type, item_kind

_READ_AS_TEXT = {"string", "date", "timestamp", "decimal", "binary"}
_DATE = rf"\A{texts.YEAR}-[0-9]{{2}}-[0-9]{{2}}\z"
_TIMESTAMP = rf"\A{texts.YEAR}-[0-9]{{2}}-[0-9]{{2}}[T ]{texts.TIME}(?:\.[0-9]{{1,6}})?{texts.OFFSET}\z"


def joined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, without a copy if it has a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def csv_type(kind: ColumnKind) -> pa.DataType:
    """Return the type as which pyarrow reads a CSV column: numbers and booleans as such, others as text."""
    return pa.string() if kind.kind in _READ_AS_TEXT | {"list"} else json_type(kind)


def json_type(kind: ColumnKind) -> pa.DataType:
    """Return the type as which pyarrow reads a JSON field."""
    if kind.kind == "list":
        return pa.list_(json_type(item_kind(kind)))
    if kind.kind in _READ_AS_TEXT:
        return pa.string()
    # float32 is read as float64: all readers round a number to the nearest double first
    return pa.float64() if kind.kind == "float" else arrow_type(kind)


def from_csv(kind: ColumnKind, array: pa.Array, decimal_mark: str) -> pa.Array | None:
    """Return a column of ``csv_type`` in the declared type, or None (see the module)."""
    if kind.kind == "list":
        return _split(kind, array, decimal_mark)
    return _converted(kind, array, decimal_mark)


def from_json(kind: ColumnKind, array: pa.Array) -> pa.Array | None:
    """Return a column of ``json_type`` in the declared type, or None (see the module), as for a null list item."""
    if kind.kind != "list":
        return _converted(kind, array, ".")
    values = array.flatten()
    if values.null_count:
        return None
    item = item_kind(kind)
    converted = from_json(item, values)
    if converted is None or converted is values:
        return converted if converted is None else array
    if array.null_count:
        # null lists may cover values that flatten leaves out, so the offsets do not fit
        return None
    starts = pc.subtract(array.offsets, array.offsets[0]) if len(array) else array.offsets
    return pa.ListArray.from_arrays(starts, converted)


def _converted(kind: ColumnKind, array: pa.Array, decimal_mark: str) -> pa.Array | None:
    match kind.kind:
        case "string" | "bool" | "integer":
            return array
        case "float":
            return _float(kind, array)
        case "date":
            return _cast(array, _DATE, pa.date32())
        case "timestamp":
            return _timestamp(array)
        case "decimal":
            return _cast(array, _decimal_pattern(kind, decimal_mark), arrow_type(kind), decimal_mark)
    return _one_by_one(kind, array, decimal_mark)


def _float(kind: ColumnKind, array: pa.Array) -> pa.Array | None:
    held = array if arrow_type(kind) == array.type else array.cast(arrow_type(kind), safe=False)
    return None if pc.all(pc.is_finite(held)).as_py() is False else held


def _timestamp(array: pa.Array) -> pa.Array | None:
    held = _cast(array, _TIMESTAMP, arrow_type(ColumnKind("timestamp")))
    if held is None:
        return None
    bounds = pc.min_max(held.cast(pa.int64())).as_py()
    if bounds["min"] is None:
        return held
    return held if bounds["min"] >= texts.FIRST_MICROSECOND and bounds["max"] <= texts.LAST_MICROSECOND else None


def _decimal_pattern(kind: ColumnKind, decimal_mark: str) -> str:
    whole = kind.precision - kind.scale
    mark = "," if decimal_mark == "," else r"\."
    digits = f"[0-9]{{1,{whole}}}" if whole else "0"
    return rf"\A-?{digits}(?:{mark}[0-9]{{1,{kind.scale}}})?\z" if kind.scale else rf"\A-?{digits}\z"


def _cast(array: pa.Array, pattern: str, kind: pa.DataType, decimal_mark: str = ".") -> pa.Array | None:
    if pc.all(pc.match_substring_regex(array, pattern)).as_py() is False:
        return None
    try:
        return (array if decimal_mark == "." else pc.replace_substring(array, ",", ".")).cast(kind)
    except pa.ArrowInvalid:
        return None


def _one_by_one(kind: ColumnKind, array: pa.Array, decimal_mark: str) -> pa.Array | None:
    parse = texts.parser(kind, decimal_mark)
    try:
        values = [None if text is None else parse(text) for text in array.to_pylist()]
    except texts.WrongTextError:
        return None
    return pa.array(values, arrow_type(kind))


def _split(kind: ColumnKind, array: pa.Array, decimal_mark: str) -> pa.Array | None:
    if item_kind(kind).kind != "string":
        return _one_by_one(kind, array, decimal_mark)
    items = pc.split_pattern(array, texts.LIST_SEPARATOR)
    return pc.if_else(pc.equal(array, ""), pa.scalar([], items.type), items)
