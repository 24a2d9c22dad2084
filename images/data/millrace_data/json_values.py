"""The values of each column type in JSON: strings, numbers and lists as they are, other types as their text."""

from collections.abc import Callable

from millrace.contracts.column_types import ColumnKind
from millrace_data import texts
from millrace_data.schema import item_kind

_LONGEST_INTEGER_DIGITS = 400  # a double holds none with more

Take = Callable[[object], object]


class NumberText(str):
    """A number of JSON as it is written: with a fraction or an exponent, too long for an integer, NaN or infinite."""

    __slots__ = ()


_MINUS_ZERO = NumberText("-0")  # of which a float keeps the sign


def integer_of(digits: str) -> int | NumberText:
    """An integer, where it has no more digits than any type holds."""
    if digits == _MINUS_ZERO:
        return _MINUS_ZERO
    return int(digits) if len(digits) <= _LONGEST_INTEGER_DIGITS else NumberText(digits)


def taker(kind: ColumnKind) -> Take:
    """What makes a value for pyarrow of one of JSON; it raises WrongTextError. Null is none of its business."""
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
        raise texts.WrongTextError(f"the value is {_named(value)}", texts.described(kind))
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
    if type(value) is NumberText:
        return texts.finite(kind, float(value))
    raise texts.WrongTextError(f"the value is {_named(value)}", texts.described(kind))


def _is_number_or_text(value: object) -> bool:
    return type(value) in {int, str, NumberText}


def _refuse(kind: ColumnKind, value: object) -> object:
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
