"""Text form of each column type: one definition for all formats and readers.

An integer is ASCII digits with an optional "-"; a number or decimal has an optional sign, point and exponent. Spaces
and tabs around them are allowed; hexadecimal, NaN and infinity are not. Texts of other types (booleans, dates, Base64)
must match exactly.
"""

import base64
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation

import numpy as np

from millrace.contracts.column_types import ColumnKind
from millrace_data.schema import item_kind

LIST_SEPARATOR = "|"
TRUE_WORDS = ("true", "True", "TRUE", "1")
FALSE_WORDS = ("false", "False", "FALSE", "0")
YEAR = r"(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})"
TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?"
OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"

_INTEGER = re.compile(r"[ \t]*(-?)0*([0-9]+)[ \t]*")
_NUMBER = re.compile(r"[ \t]*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t]*")
_DATE = re.compile(rf"{YEAR}-[0-9]{{2}}-[0-9]{{2}}")
_TIMESTAMP = re.compile(rf"({YEAR}-[0-9]{{2}}-[0-9]{{2}}[T ]{TIME})(\.[0-9]+)?({OFFSET})?")
_MOST_INTEGER_DIGITS = 20  # of uint64
_MICROSECOND_DIGITS = 6
_EXACT = Context(prec=100)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST_MICROSECOND = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST_MICROSECOND = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _MICROSECOND

Parse = Callable[[str], object]


class WrongTextError(ValueError):
    """The text is not a value of the type: what is wrong, the rule and a remedy."""

    def __init__(self, what: str, rule: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.rule = rule
        self.remedy = remedy


def parser(kind: ColumnKind, decimal_mark: str = ".") -> Parse:
    """Return the function that converts a text to a value for pyarrow; it raises WrongTextError.

    A timestamp becomes microseconds since 1970 in UTC. Raises WrongTextError for a list of lists, which has no text.
    """
    match kind.kind:
        case "integer":
            return lambda text: integer(kind, text)
        case "float":
            return lambda text: number(kind, _pointed(text, decimal_mark))
        case "decimal":
            return lambda text: decimal(kind, _pointed(text, decimal_mark))
        case "list":
            return _list_parser(kind, decimal_mark)
    return _PLAIN[kind.kind]


def described(kind: ColumnKind) -> str:
    """Return the type in words, for the rule in an error."""
    match kind.kind:
        case "integer":
            low, high = kind.bounds
            name = f"{'' if kind.signed else 'u'}int{kind.bits}"
            return f"an integer of {kind.bits} bits ({name}), {low} to {high}"
        case "float":
            return f"a finite number (float{kind.bits})"
        case "decimal":
            return f"a decimal of at most {kind.precision} digits, {kind.scale} of them behind the point"
        case "list":
            return f"a list, each item {described(item_kind(kind))}"
    return _WORDS[kind.kind]


def integer(kind: ColumnKind, text: str) -> int:
    """Return the text's integer. Raises WrongTextError if it is none or beyond the type's range."""
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise WrongTextError("the value is not an integer", described(kind))
    return in_bounds(kind, int(found[1] + found[2]) if len(found[2]) <= _MOST_INTEGER_DIGITS else None)


def in_bounds(kind: ColumnKind, value: int | None) -> int:
    """Return the value. Raises WrongTextError if it is beyond the type's range, or None (beyond any type's)."""
    low, high = kind.bounds
    if value is None or not low <= value <= high:
        raise WrongTextError(f"the value is an integer beyond {kind.bits} bits", described(kind))
    return value


def number(kind: ColumnKind, text: str) -> float:
    """Return the text's finite number; for 32 bits the nearest float32. Raises WrongTextError if there is none."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise WrongTextError("the value is not a number", described(kind))
    return finite(kind, float(found[1]))


def finite(kind: ColumnKind, value: float) -> float:
    """Return the value in the type's precision. Raises WrongTextError if it is NaN, infinite or too large."""
    with np.errstate(over="ignore"):
        held = float(np.float32(value)) if kind.bits == 32 else value
    if not abs(held) < float("inf"):
        raise WrongTextError("the value is NaN, infinite, or too large", described(kind))
    return held


def decimal(kind: ColumnKind, text: str) -> Decimal:
    """Return the text's decimal in the type's scale. Raises WrongTextError if it is none or would lose digits."""
    found = _NUMBER.fullmatch(text)
    try:
        value = Decimal(found[1]) if found else None
    except InvalidOperation:  # an exponent beyond Python's limits
        value = None
    if value is None:
        raise WrongTextError("the value is not a decimal", described(kind))
    if not value:
        return Decimal(0)
    if value.adjusted() >= kind.precision - kind.scale:
        raise WrongTextError("the value has too many digits before the point", described(kind))
    _, digits, exponent = value.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    if not isinstance(exponent, int) or exponent + len(digits) - len(kept) < -kind.scale:
        raise WrongTextError("the value has too many digits behind the point", described(kind))
    return value.quantize(Decimal(1).scaleb(-kind.scale), context=_EXACT)


def _boolean(text: str) -> bool:
    if text in TRUE_WORDS:
        return True
    if text in FALSE_WORDS:
        return False
    raise WrongTextError("the value is neither true nor false", _WORDS["bool"])


def _date(text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise WrongTextError("the value is not a date", _WORDS["date"])


def _timestamp(text: str) -> int:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise WrongTextError("the value is not a timestamp", _WORDS["timestamp"])
    moment, fraction, offset = found[1], (found[2] or ".")[1:], found[3]
    if offset is None:
        raise WrongTextError(
            "the timestamp has no offset", _WORDS["timestamp"], "write it in UTC with Z behind it, or with its offset"
        )
    if fraction[_MICROSECOND_DIGITS:].strip("0"):
        raise WrongTextError("the timestamp is finer than a microsecond", _WORDS["timestamp"])
    try:
        micros = (datetime.fromisoformat(moment + offset) - _EPOCH) // _MICROSECOND
    except ValueError:
        raise WrongTextError("the value is not a timestamp", _WORDS["timestamp"]) from None
    micros += int(fraction[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0"))
    if not FIRST_MICROSECOND <= micros <= LAST_MICROSECOND:
        raise WrongTextError("the timestamp is beyond the years 1 to 9999 in UTC", _WORDS["timestamp"])
    return micros


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise WrongTextError("the value is not Base64", _WORDS["binary"]) from None


def _list_parser(kind: ColumnKind, decimal_mark: str) -> Parse:
    item = item_kind(kind)
    if item.kind == "list":
        raise WrongTextError("a list of lists has no text", "lists of plain items in csv and tsv; nested ones in jsonl")
    parse = parser(item, decimal_mark)
    return lambda text: [parse(part) for part in text.split(LIST_SEPARATOR)] if text else []


def _pointed(text: str, decimal_mark: str) -> str:
    # with a decimal comma a point is not valid: it becomes a comma, which the number pattern refuses
    return text if decimal_mark == "." else text.translate(_COMMA_FOR_POINT)


_COMMA_FOR_POINT = str.maketrans(",.", ".,")
_WORDS = {
    "string": "a text (string)",
    "bool": "true or false (bool)",
    "date": "a date like 2026-01-31 (date)",
    "timestamp": "a timestamp with its offset, like 2026-01-31T08:00:00Z (timestamp)",
    "binary": "Base64 (binary)",
}
_PLAIN: dict[str, Parse] = {
    "string": lambda text: text,
    "bool": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "binary": _binary,
}
