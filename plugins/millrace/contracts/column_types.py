"""Column types, by their names in a workload."""

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
"""Type names for suggestions: every type without parameters, and an example of each with parameters."""
ALIASES = {
    **dict.fromkeys(("str", "text", "varchar", "object", "category"), "string"),
    **dict.fromkeys(("int", "integer", "long", "bigint"), "int64"),
    **dict.fromkeys(("float", "double", "number", "numeric", "real"), "float64"),
    "decimal": "decimal(10,2)", "datetime": "timestamp", "boolean": "bool", "list": "list<string>",
}  # fmt: skip
"""Names of types in other systems, mapped to Millrace's."""
_MAX_PRECISION = 38
_MAX_DEPTH = 4
_RULE = (
    "string, bool, int8 to int64, uint8 to uint64, float32, float64, decimal(precision,scale), date, timestamp, "
    "binary, or list<type>"
)


@dataclass(frozen=True)
class ColumnKind:
    """A parsed type; ``bits`` and ``signed`` are for integers (``bits`` also for floats), ``item`` is for lists."""

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
        """Smallest and largest value of an integer type."""
        if self.signed:
            return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        return 0, (1 << self.bits) - 1


def column_kind(name: str) -> ColumnKind:
    """Parse a type's name. Raises ValueError if it is unknown."""
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
    """Return the name. Raises ValueError if it is not a type's."""
    column_kind(name)
    return name


ColumnType = Annotated[str, AfterValidator(known_type)]
"""A type's name: string, bool, int8–int64, uint8–uint64, float32, float64, decimal(p,s), date, timestamp (UTC,
microseconds), binary, list<…>."""
