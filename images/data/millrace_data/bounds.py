"""Exact comparison of values with a column's minimum and maximum, in the column's own type.

A bound is the number as written in the workload. Arrow, NumPy and pandas compare a 64-bit integer with a float by
rounding the integer, which beyond 2**53 gives a wrong result or an error.
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
    """Return the smallest number that meets the minimum, in the type or beyond its range; None without a minimum."""
    return None if column.minimum is None else _snapped(column.kind, column.minimum, up=True)


def most(column: Column) -> Number | None:
    """Return the largest number that meets the maximum, in the type or beyond its range; None without a maximum."""
    return None if column.maximum is None else _snapped(column.kind, column.maximum, up=False)


def below(column: Column, array: pa.Array) -> pa.BooleanArray | None:
    """Return for each value whether it is below the minimum; None if no value of the type can be."""
    return _beyond(column.kind, least(column), array, pc.less, low=True)


def above(column: Column, array: pa.Array) -> pa.BooleanArray | None:
    """Return for each value whether it is above the maximum; None if no value of the type can be."""
    return _beyond(column.kind, most(column), array, pc.greater, low=False)


def position(column: Column, array: pa.Array) -> pa.Array:
    """Return -1 for a value below the minimum, 1 for one above the maximum, otherwise 0 (int8); null for null."""
    inside = pc.if_else(pc.is_valid(array), pa.scalar(0, pa.int8()), pa.scalar(None, pa.int8()))
    for beyond, code in ((below(column, array), -1), (above(column, array), 1)):
        if beyond is not None:
            inside = pc.if_else(beyond, pa.scalar(code, pa.int8()), inside)
    return inside


def are_plain(column: Column) -> bool:
    """Return whether Great Expectations compares the values of a number column exactly with the column's bounds.

    It converts bounds to floats, and pandas converts integers to floats if one is null. A rounded integer stays on its
    side of a bound whose size is below 2**53. Its engines have no uint64 and no decimals.
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
    if kind.kind == "float":  # the limit is infinite if no number of the type reaches the bound
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
    """Return the nearest float of these bits; if that violates a whole bound, the next one inside. Fractions round."""
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
