"""What Python's json module gives for a file of JSON Lines, line by line."""

import json
from typing import Any

from tests.images.data.corpus.delimited_reference import Record
from tests.images.data.corpus.generated import TEXT_COLUMNS

BLANKS = b" \t\r"
NAMES = tuple(column.name for column in TEXT_COLUMNS)
COMPLETE = {"id", "text", "label"}


def records(data: bytes) -> list[Record]:
    """The file's lines that are not blank; fields that are not declared are left out."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [Record(number, _row(line)) for number, line in enumerate(lines, 1) if line.strip(BLANKS)]


def _row(line: bytes) -> tuple[Any, ...] | None:
    try:
        pairs = json.loads(line.decode(), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, _Pairs):
        return None
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in NAMES):
        return None
    fields = dict(pairs)
    row = tuple(fields.get(name) for name in NAMES)
    if not all(_fits(name, value) for name, value in zip(NAMES, row, strict=True)):
        return None
    size = fields.get("size")
    return tuple(
        float(value) if value is size and name == "size" and value is not None else value
        for name, value in zip(NAMES, row, strict=True)
    )


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written."""


def _fits(name: str, value: Any) -> bool:
    if value is None:
        return name not in COMPLETE
    match name:
        case "id" | "count":
            return type(value) is int and -(2**63) <= value < 2**63
        case "size":
            return _is_finite(value)
        case "known":
            return type(value) is bool
    return type(value) is str and not any("\ud800" <= sign <= "\udfff" for sign in value)


def _is_finite(value: Any) -> bool:
    if type(value) not in {int, float}:
        return False
    try:
        return abs(float(value)) < float("inf")
    except OverflowError:
        return False
