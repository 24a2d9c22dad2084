"""A column's minimum and maximum, compared exactly in the column's own type.

A bound is the number as it is written in the workload. Arrow, NumPy and pandas would compare an integer of 64 bits with
a float by rounding the integer, which is wrong, or an error, beyond 2**53.
"""

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.data import Column
from millrace_data.schema import arrow_type

Number: TypeAlias = int | float | Decimal


def least(column: Column) -> Number | None:
    """The smallest number that keeps the minimum, in the column's type or beyond its range; None where any does."""
    return None if column.minimum is None else _snapped(column.kind, column.minimum, up=True)


def most(column: Column) -> Number | None:
    """The largest number that keeps the maximum, in the column's type or beyond its range; None where any does."""
    return None if column.maximum is None else _snapped(column.kind, column.maximum, up=False)


def below(column: Column, array: pa.Array) -> pa.BooleanArray | None:
    """Which values are under the minimum; None where no value of the type can be."""
    return _beyond(column.kind, least(column), array, pc.less, low=True)


def above(column: Column, array: pa.Array) -> pa.BooleanArray | None:
    """Which values are over the maximum; None where no value of the type can be."""
    return _beyond(column.kind, most(column), array, pc.greater, low=False)


def position(column: Column, array: pa.Array) -> pa.Array:
    """-1 for a value under the minimum, 1 for one over the maximum, or else 0 (int8); null for null."""
    inside = pc.if_else(pc.is_valid(array), pa.scalar(0, pa.int8()), pa.scalar(None, pa.int8()))
    for beyond, code in ((below(column, array), -1), (above(column, array), 1)):
        if beyond is not None:
            inside = pc.if_else(beyond, pa.scalar(code, pa.int8()), inside)
    return inside


def are_plain(column: Column) -> bool:
    """Whether Great Expectations compares each value of this number's type with its bounds exactly.

    It makes floats of bounds, and pandas of integers among which one is null. Rounded, an integer still lies on its
    side of a bound below 2**53. Unsigned integers of 64 bits and decimals are none of its engines' own types.
    """
    kind, ends = column.kind, [Decimal(end) for end in (least(column), most(column)) if end is not None]
    if sorted(ends) != ends:  # no value lies between them
        return False
    if kind.kind == "float":
        return all(end.is_finite() for end in ends)
    return kind.kind == "integer" and (kind.signed or kind.bits < 64) and all(abs(end) < 2**53 for end in ends)


def _beyond(
    kind: ColumnKind, limit: Number | None, array: pa.Array, compare: Callable[..., pa.BooleanArray], *, low: bool
) -> pa.BooleanArray | None:
    if limit is None:
        return None
    if kind.kind == "float":  # infinite where no number of the type reaches the bound
        return compare(array, pa.scalar(limit, array.type))
    first, last = (kind.bounds[0], kind.bounds[1]) if kind.kind == "integer" else _decimal_range(kind)
    if (limit <= first) if low else (limit >= last):
        return None
    if (limit > last) if low else (limit < first):
        return pc.is_valid(array)
    return compare(array, pa.scalar(limit, arrow_type(kind)))


def _snapped(kind: ColumnKind, bound: int | float, *, up: bool) -> Number:
    toward = math.ceil if up else math.floor
    if kind.kind == "float":
        return _float(kind.bits, bound, up=up)
    exact = Fraction(repr(bound))
    if kind.kind == "integer":
        return toward(exact)
    return _decimal(toward(exact * 10**kind.scale), kind.scale)


def _float(bits: int, bound: int | float, *, up: bool) -> float:
    """Of a whole number the next float at its side; a fraction is the float that it is written for."""
    kind = np.float64 if bits == 64 else np.float32
    with np.errstate(over="ignore"):
        try:
            near = kind(bound)
        except OverflowError:
            near = kind(math.inf if bound > 0 else -math.inf)
    if isinstance(bound, int) or bound.is_integer():
        found = float(near)
        if (found < bound) if up else (found > bound):
            near = np.nextafter(near, kind(math.inf if up else -math.inf))
    return float(near)


def _decimal(unscaled: int, scale: int) -> Decimal:
    with localcontext(prec=400):
        return Decimal(unscaled).scaleb(-scale)


def _decimal_range(kind: ColumnKind) -> tuple[Decimal, Decimal]:
    largest = _decimal(10**kind.precision - 1, kind.scale)
    return -largest, largest
