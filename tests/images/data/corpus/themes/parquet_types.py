"""Parquet's own types: lossless casts without a word, lossy ones refused (arrow 34901, arrow-rs 3324)."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.images.data.corpus.case import Case, Refused, column, parquet

MOMENT = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)
NANOSECOND = pa.array([1769846400123456789], pa.int64())


def _one(name: str, kind: str, array: pa.Array, expected: list[Any] | None, says: str = "value", **fields: Any) -> Case:
    """A file with that array as its column ``value``; None where it is refused."""
    count = len(array)
    table = pa.table({"id": list(range(count)), "value": array, "label": ["yes"] * count})
    rows = () if expected is None else tuple((number, value, "yes") for number, value in enumerate(expected))
    refused = Refused(says, "'value'") if expected is None else None
    declared = {name: fields.pop(name) for name in ("nullable", "max_length") if name in fields}
    return parquet(f"{name} as {kind}", table, *rows, columns=column(kind, **declared), refused=refused, **fields)


def _integers() -> list[Case]:
    cases = []
    for source in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        low, high = _bounds(source)
        for target in ("int8", "int16", "int32", "int64", "uint64"):
            wide_low, wide_high = _bounds(target)
            if wide_low <= low and high <= wide_high:
                array = pa.array([low, high], getattr(pa, source)())
                cases.append(_one(source, target, array, [low, high]))
            else:
                array = pa.array([low if low < wide_low else high], getattr(pa, source)())
                cases.append(_one(f"{source} at its edge", target, array, None))
    return cases


def _bounds(kind: str) -> tuple[int, int]:
    bits = int(kind.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


STRINGS = ["größe", "", "a\0b"]
CASES: list[Case] = [
    *_integers(),
    # floats
    _one("float32", "float64", pa.array([0.1, -0.0], pa.float32()), [0.10000000149011612, -0.0]),
    _one(
        "float32",
        "float32",
        pa.array([0.1, 3.4028234663852886e38], pa.float32()),
        [0.10000000149011612, 3.4028234663852886e38],
    ),
    _one("float16", "float32", pa.array([0.5, 65504.0], pa.float16()), [0.5, 65504.0]),
    _one("float64 that is no float32", "float32", pa.array([0.1], pa.float64()), None),
    _one("float64 beyond float32", "float32", pa.array([1e39], pa.float64()), None),
    _one("int32", "float64", pa.array([2**31 - 1, -5], pa.int32()), [2147483647.0, -5.0]),
    _one("int64 beyond 2**53", "float64", pa.array([2**53 + 1], pa.int64()), None),
    _one("uint64 beyond 2**53", "float64", pa.array([2**64 - 1], pa.uint64()), None),
    _one("float64 with a fraction", "int64", pa.array([1.5], pa.float64()), None),
    _one("NaN", "float64", pa.array([float("nan")]), None, "NaN|finite"),
    _one("infinity", "float64", pa.array([1.0, float("inf")]), None, "infinite|finite"),
    _one("infinity", "float32", pa.array([float("-inf")], pa.float32()), None, "infinite|finite"),
    # texts
    _one("string", "string", pa.array(STRINGS), STRINGS),
    _one("large_string", "string", pa.array(STRINGS, pa.large_string()), STRINGS),
    _one("string_view", "string", pa.array(STRINGS, pa.string_view()), STRINGS),
    _one("a dictionary of strings", "string", pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    _one(
        "a dictionary of large strings",
        "string",
        pa.array(["a", "b"], pa.large_string()).dictionary_encode(),
        ["a", "b"],
    ),
    _one(
        "a dictionary with a null",
        "string",
        pa.array(["a", None, "a"]).dictionary_encode(),
        ["a", None, "a"],
        nullable=True,
    ),
    _one("a dictionary of integers", "int64", pa.array([5, 7, 5]).dictionary_encode(), [5, 7, 5]),
    _one(
        "a dictionary with small indices",
        "string",
        pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int8()), pa.array(["a", "b"])),
        ["b", "a"],
    ),
    _one("int64", "string", pa.array([7]), None),
    _one("string", "int64", pa.array(["7"]), None),
    _one("bool", "int64", pa.array([True]), None),
    _one("int64", "bool", pa.array([1]), None),
    _one("bool", "bool", pa.array([True, False]), [True, False]),
    _one(
        "string that is not UTF-8",
        "string",
        pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"]).buffers()),
        None,
        "UTF-8",
    ),
    # decimals
    _one("decimal128(5,2)", "decimal(5,2)", pa.array([Decimal("123.45")], pa.decimal128(5, 2)), [Decimal("123.45")]),
    _one("decimal128(5,2)", "decimal(10,2)", pa.array([Decimal("123.45")], pa.decimal128(5, 2)), [Decimal("123.45")]),
    _one("decimal128(5,2)", "decimal(10,4)", pa.array([Decimal("123.45")], pa.decimal128(5, 2)), [Decimal("123.4500")]),
    _one("decimal128(5,2) with two digits", "decimal(5,1)", pa.array([Decimal("123.45")], pa.decimal128(5, 2)), None),
    _one("decimal128(10,2) too large", "decimal(5,2)", pa.array([Decimal("99999999.99")], pa.decimal128(10, 2)), None),
    _one(
        "decimal256",
        "decimal(38,2)",
        pa.array([Decimal("1.23")], pa.decimal256(40, 2)).cast(pa.decimal256(38, 2)),
        [Decimal("1.23")],
    ),
    _one("float64", "decimal(5,2)", pa.array([0.1]), None),
    _one("int32", "decimal(12,2)", pa.array([7], pa.int32()), [Decimal("7.00")]),
    # dates and moments
    _one("date32", "date", pa.array([date(1, 1, 1), date(9999, 12, 31)]), [date(1, 1, 1), date(9999, 12, 31)]),
    _one("date64", "date", pa.array([date(2026, 1, 31)], pa.date64()), [date(2026, 1, 31)]),
    _one("timestamp", "date", pa.array([MOMENT], pa.timestamp("us", "UTC")), None),
    _one("string", "date", pa.array(["2026-01-31"]), None),
    _one("timestamp[us, UTC]", "timestamp", pa.array([MOMENT], pa.timestamp("us", "UTC")), [MOMENT]),
    _one(
        "timestamp[ms, UTC]",
        "timestamp",
        pa.array([MOMENT.replace(microsecond=123000)], pa.timestamp("ms", "UTC")),
        [MOMENT.replace(microsecond=123000)],
    ),
    _one(
        "timestamp[s, UTC]",
        "timestamp",
        pa.array([MOMENT.replace(microsecond=0)], pa.timestamp("s", "UTC")),
        [MOMENT.replace(microsecond=0)],
    ),
    _one(
        "timestamp[ns, UTC] of whole microseconds", "timestamp", pa.array([MOMENT], pa.timestamp("ns", "UTC")), [MOMENT]
    ),
    _one("timestamp[ns, UTC] with nanoseconds", "timestamp", NANOSECOND.cast(pa.timestamp("ns", "UTC")), None),
    _one("timestamp of another zone", "timestamp", pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")), [MOMENT]),
    _one(
        "timestamp of an offset",
        "timestamp",
        pa.array([MOMENT.astimezone(timezone(timedelta(hours=2)))], pa.timestamp("us", "+02:00")),
        [MOMENT],
    ),
    _one(
        "timestamp without a zone",
        "timestamp",
        pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us")),
        None,
        "zone",
    ),
    _one(
        "timestamp at the year 1",
        "timestamp",
        pa.array([datetime(1, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        [datetime(1, 1, 1, tzinfo=UTC)],
    ),
    _one("int64", "timestamp", pa.array([1769846400]), None),
    _one("time", "timestamp", pa.array([5], pa.time64("us")), None),
    _one("a length of time", "int64", pa.array([5], pa.duration("us")), None),
    # bytes
    _one("binary", "binary", pa.array([b"\0\xff", b""]), [b"\0\xff", b""]),
    _one("large_binary", "binary", pa.array([b"\0\xff"], pa.large_binary()), [b"\0\xff"]),
    _one("binary_view", "binary", pa.array([b"\0\xff"], pa.binary_view()), [b"\0\xff"]),
    _one("binary of a fixed size", "binary", pa.array([b"\0\xff"], pa.binary(2)), [b"\0\xff"]),
    _one("binary that is not UTF-8", "string", pa.array([b"\xff"]), None),
    # lists
    _one("a list", "list<string>", pa.array([["a", ""], []]), [["a", ""], []]),
    _one("a large list", "list<string>", pa.array([["a"]], pa.large_list(pa.large_string())), [["a"]]),
    _one("a list of a fixed size", "list<int64>", pa.array([[1, 2]], pa.list_(pa.int64(), 2)), [[1, 2]]),
    _one("a list of int32", "list<int64>", pa.array([[1, 2], []], pa.list_(pa.int32())), [[1, 2], []]),
    _one("a list of int64 too large", "list<int32>", pa.array([[2**40]], pa.list_(pa.int64())), None),
    _one("a list of lists", "list<list<int64>>", pa.array([[[1], []], []]), [[[1], []], []]),
    _one(
        "a list of dictionaries",
        "list<string>",
        pa.array([["a", "b"]], pa.list_(pa.string())).cast(pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        [["a", "b"]],
    ),
    _one("a list with a null in it", "list<string>", pa.array([["a", None]]), None, "null"),
    _one("a null list", "list<string>", pa.array([None, ["a"]], pa.list_(pa.string())), [None, ["a"]], nullable=True),
    _one("a string", "list<string>", pa.array(["a|b"]), None),
    _one("a list", "string", pa.array([["a"]]), None),
    _one("a list of another depth", "list<string>", pa.array([[["a"]]]), None),
    # what no declared type is
    _one("a struct", "string", pa.array([{"a": 1}]), None),
    _one("a map", "string", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), None),
    # nulls
    _one("a null", "int64", pa.array([1, None]), None, "missing|null"),
    _one("a null of a text", "string", pa.array(["a", None]), None, "missing|null"),
    _one("nulls of each type", "float64", pa.array([None, 1.0]), [None, 1.0], nullable=True),
    _one("nothing but nulls", "int64", pa.array([None, None], pa.int64()), [None, None], nullable=True),
    _one("a column without a type", "int64", pa.nulls(2), [None, None], nullable=True),
]
