"""Conversion of JSON values to column types: strings, numbers and lists as such, other types from their text."""

from collections.abc import Callable
from typing import NoReturn

from millrace.contracts.column_types import ColumnKind
from millrace_data import texts
from millrace_data.schema import item_kind

_LONGEST_INTEGER_DIGITS = 400  # longer integers exceed the range of a double

Take = Callable[[object], object]


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
