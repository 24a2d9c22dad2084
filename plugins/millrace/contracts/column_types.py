"""The types that a column may have, by their names in a workload."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator

Kind = Literal["string", "bool", "integer", "float", "decimal", "date", "timestamp", "binary", "list"]

_INTEGER = re.compile(r"(u?)int(8|16|32|64)\Z")
_FLOAT = re.compile(r"float(32|64)\Z")
_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s?(\d{1,2})\)\Z")
_LIST = re.compile(r"list<(.+)>\Z")
_PLAIN: dict[str, Kind] = {
    "string": "string", "bool": "bool", "date": "date", "timestamp": "timestamp", "binary": "binary",
}  # fmt: skip
NAMES = (
    *_PLAIN, *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64",
    "decimal(10,2)", "list<string>",
)  # fmt: skip
"""Types that people mean, for suggestions: every plain one, and an example of those with parameters."""
ALIASES = {
    **dict.fromkeys(("str", "text", "varchar", "object", "category"), "string"),
    **dict.fromkeys(("int", "integer", "long", "bigint"), "int64"),
    **dict.fromkeys(("float", "double", "number", "numeric", "real"), "float64"),
    "decimal": "decimal(10,2)", "datetime": "timestamp", "boolean": "bool", "list": "list<string>",
}  # fmt: skip
"""What other systems call them."""
_MAX_PRECISION = 38
_MAX_DEPTH = 4
_RULE = (
    "string, bool, int8 to int64, uint8 to uint64, float32, float64, decimal(precision,scale), date, timestamp, "
    "binary, or list<type>"
)


@dataclass(frozen=True)
class ColumnKind:
    """A type taken apart; ``bits`` and ``signed`` are an integer's (``bits`` a float's too), ``item`` is a list's."""

    kind: Kind
    bits: int = 0
    signed: bool = True
    precision: int = 0
    scale: int = 0
    item: "ColumnKind | None" = None

    @property
    def is_number(self) -> bool:
        """Whether values have an order and a size: integers, floats and decimals."""
        return self.kind in {"integer", "float", "decimal"}

    @property
    def bounds(self) -> tuple[int, int]:
        """An integer type's smallest and largest value."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


def column_kind(name: str) -> ColumnKind:
    """The type of that name. Raises ValueError for one that is unknown."""
    return _parsed(name, 0)


def _parsed(name: str, depth: int) -> ColumnKind:
    if name in _PLAIN:
        return ColumnKind(_PLAIN[name])
    if found := _INTEGER.match(name):
        return ColumnKind("integer", bits=int(found[2]), signed=not found[1])
    if found := _FLOAT.match(name):
        return ColumnKind("float", bits=int(found[1]))
    if found := _DECIMAL.match(name):
        precision, scale = int(found[1]), int(found[2])
        if not 1 <= precision <= _MAX_PRECISION or scale > precision:
            raise ValueError(f"{name!r}: a decimal has 1 to {_MAX_PRECISION} digits and no more behind the point")
        return ColumnKind("decimal", precision=precision, scale=scale)
    if (found := _LIST.match(name)) and depth < _MAX_DEPTH:
        return ColumnKind("list", item=_parsed(found[1], depth + 1))
    raise ValueError(f"{name!r} is not a column's type: use {_RULE}")


def known_type(name: str) -> str:
    """The name itself. Raises ValueError for one that is no type's."""
    column_kind(name)
    return name


ColumnType = Annotated[str, AfterValidator(known_type)]
"""A type's name: string, bool, int8–int64, uint8–uint64, float32, float64, decimal(p,s), date, timestamp (UTC,
microseconds), binary, list<…>."""
