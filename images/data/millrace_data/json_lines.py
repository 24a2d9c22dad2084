"""JSON Lines read again, slowly, to find the line that pyarrow refused."""

import json
from collections.abc import Iterator
from itertools import islice

from millrace.contracts.data import Column, Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.lines import decode, lines, lines_of, wrong_field
from millrace_data.streams import Readable

_WORDS = {
    "string": "a string",
    "int64": "an integer of 64 bits",
    "float64": "a finite number",
    "bool": "true or false",
    "list<string>": "a list of strings",
}
_FIRST_ROWS = 1000
_INFINITY = float("inf")


def scan(uri: str, dataset: Dataset) -> bool:
    """Whether there is a row at all. Raises BadInputError for the first line that breaks the format or a type."""
    found = False
    for number, line in lines(uri, dataset):
        text = decode(uri, number, line)
        if text.strip():
            found = True
            _check(uri, number, _object(uri, number, text), dataset)
    return found


def sift(text: Readable, uri: str, dataset: Dataset) -> Iterator[tuple[int, bytes, BadInputError | None]]:
    """Each line with its end and what is wrong with it, blank lines left out."""
    for number, line in lines_of(text, uri, dataset):
        error = None
        try:
            decoded = decode(uri, number, line)
            if not decoded.strip():
                continue
            _check(uri, number, _object(uri, number, decoded), dataset)
        except BadInputError as found:
            error = found
        yield number, line + b"\n", error


def extra_names(uri: str, dataset: Dataset) -> set[str]:
    """The fields of the first thousand rows that are not declared."""
    rows = (json.loads(line) for _, line in islice(lines(uri, dataset), _FIRST_ROWS) if line.strip())
    return {name for row in rows if isinstance(row, dict) for name in row} - {c.name for c in dataset.columns}


def longest_bytes(uri: str, dataset: Dataset) -> int:
    """The longest line, its end included. Raises BadInputError for one beyond the limit."""
    return max((len(line) for _, line in lines(uri, dataset)), default=0) + 1


def _object(uri: str, number: int, text: str) -> dict[str, object]:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen = dict(pairs)
        if len(seen) < len(pairs):
            twice = next(name for name in seen if sum(name == other for other, _ in pairs) > 1)
            raise wrong_field(uri, number, twice, "the field is there twice", "each field once a row")
        return seen

    row: object = None
    at = ""
    try:
        row = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        at = f", character {error.colno}"
    except (ValueError, RecursionError):
        pass  # a number or a nesting beyond Python's limits
    if not isinstance(row, dict):
        raise BadInputError(
            "the line is not a JSON object" if not at else "the line is not JSON",
            where=f"{uri}, line {number}{at}",
            rule="one JSON object a line",
            remedy="correct the line; an object has no line break inside",
        )
    return row


def _check(uri: str, number: int, row: dict[str, object], dataset: Dataset) -> None:
    columns = {column.name: column for column in dataset.columns}
    if dataset.extra_columns == "refuse" and (extra := next((name for name in row if name not in columns), None)):
        raise wrong_field(uri, number, extra, "the field is not declared", f"the columns {list(columns)} only")
    for name, column in columns.items():
        if name not in row:
            if not column.nullable:
                raise wrong_field(uri, number, name, "the field is missing", "the column is complete")
        elif row[name] is not None:
            _check_value(uri, number, column, row[name])
        elif not column.nullable:
            raise wrong_field(uri, number, name, "the value is null", "the column is complete")


def _check_value(uri: str, number: int, column: Column, value: object) -> None:
    if not _fits(column, value):
        raise wrong_field(
            uri, number, column.name, f"the value is {_kind(value)}", f"{_WORDS[column.type]} ({column.type})"
        )
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and not _is_unicode(text):
            raise wrong_field(
                uri, number, column.name, "an escape is half of a surrogate pair", "escapes name whole characters"
            )


def _fits(column: Column, value: object) -> bool:
    match column.type:
        case "string":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int64":
            return type(value) is int and -(2**63) <= value < 2**63
        case "float64":
            return type(value) is int or (isinstance(value, float) and abs(value) < _INFINITY)
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "an integer" if -(2**63) <= value < 2**63 else "an integer beyond 64 bits"
        case float():
            return "a number with a fraction or an exponent" if abs(value) < _INFINITY else "NaN or infinite"
        case str():
            return "a string"
        case list():
            return "a list" if all(isinstance(item, str) for item in value) else "a list of other things than strings"
    return "an object"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
