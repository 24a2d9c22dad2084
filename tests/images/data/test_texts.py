"""The one definition of each type's text."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from millrace.contracts.column_types import column_kind
from millrace_data import texts
from millrace_data.schema import arrow_type


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


VALUES: list[tuple[str, str, Any]] = [
    ("int64", "7", 7),
    ("int64", "\t-7 ", -7),
    ("int64", "-0", 0),
    ("int64", "0" * 5000 + "12", 12),
    ("int64", "9223372036854775807", 2**63 - 1),
    ("uint64", "18446744073709551615", 2**64 - 1),
    ("int8", "-128", -128),
    ("float64", "+1.5e3", 1500.0),
    ("float64", ".5", 0.5),
    ("float64", "5.", 5.0),
    ("float64", "1e-999", 0.0),
    ("float64", "9007199254740993", 9007199254740992.0),
    ("float32", "0.1", float(np.float32(0.1))),
    ("float32", "3.4028235e38", float(np.finfo(np.float32).max)),
    ("bool", "TRUE", True),
    ("bool", "0", False),
    ("date", "2024-02-29", date(2024, 2, 29)),
    ("timestamp", "2026-01-31T08:00:00Z", micros("2026-01-31T08:00:00+00:00")),
    ("timestamp", "2026-01-31 08:00+0530", micros("2026-01-31T02:30:00+00:00")),
    ("timestamp", "2026-01-31T08:00:00.123456000-02", micros("2026-01-31T10:00:00.123456+00:00")),
    ("decimal(5,2)", "-999.990", Decimal("-999.99")),
    ("decimal(5,2)", "1e2", Decimal(100)),
    ("decimal(2,2)", "0.5", Decimal("0.5")),
    ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
    ("binary", "AP8=", b"\x00\xff"),
    ("list<string>", "", []),
    ("list<string>", "a||b", ["a", "", "b"]),
    ("list<int16>", "1|-2", [1, -2]),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_a_text_is_its_value_and_fits_its_arrow_type(name: str, text: str, value: Any) -> None:
    kind = column_kind(name)
    found = texts.parser(kind)(text)
    assert found == value
    assert type(found) is type(value)
    pa.array([found], arrow_type(kind)).validate(full=True)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        (
            "int64",
            [
                "",
                " ",
                "+7",
                "0x10",
                "1.0",
                "1e2",
                "1_0",
                "٣",
                "１",
                "\u00a07",
                "--7",
                "9223372036854775808",
                "9" * 5000,
            ],
        ),
        ("uint8", ["-1", "256"]),
        ("int8", ["128", "-129"]),
        (
            "float64",
            ["", "nan", "inf", "-Infinity", "1e999", "0x1p3", "1_0", "1,5", "1e", ".", "+-1", "٣", "1 5", "1f"],
        ),
        ("float32", ["3.5e38", "1e39"]),
        ("bool", ["tRUE", " true", "yes", "T", ""]),
        ("date", ["2026-02-30", "2026-1-1", "20260131", "0000-01-01", " 2026-01-31", "2026-01-31T00:00"]),
        (
            "timestamp",
            [
                "2026-01-31",
                "2026-01-31T24:00Z",
                "2026-02-30T00:00Z",
                "2026-01-31T08:00:00.1234567Z",
                "2026-01-31t08:00Z",
            ],
        ),
        (
            "timestamp",
            ["2026-01-31T08:00:60Z", "2026-01-31T08:00+24:00", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00"],
        ),
        (
            "decimal(5,2)",
            ["1000", "1.555", "1e3", "nan", "1e-9999999999999999999", "1e9999999999999999999", "0.001", ""],
        ),
        ("binary", ["AP8", "A P8=", "é", "AP8=\n"]),
        ("list<int64>", ["1|", "|", "1|x"]),
    ],
)
def test_what_is_none_of_the_type_is_refused_with_a_rule(name: str, wrong: list[str]) -> None:
    parse = texts.parser(column_kind(name))
    for text in wrong:
        with pytest.raises(texts.WrongTextError) as refused:
            parse(text)
        assert refused.value.rule, text


def test_a_timestamp_without_an_offset_is_refused_with_the_remedy() -> None:
    with pytest.raises(texts.WrongTextError, match="no offset") as refused:
        texts.parser(column_kind("timestamp"))("2026-01-31T08:00:00")
    assert "Z" in refused.value.remedy


def test_a_decimal_comma_makes_the_point_wrong() -> None:
    for name in ("float64", "decimal(5,2)", "list<float64>"):
        parse = texts.parser(column_kind(name), ",")
        assert parse("1,5") in (1.5, Decimal("1.5"), [1.5])
        with pytest.raises(texts.WrongTextError):
            parse("1.5")


def test_a_list_of_lists_has_no_text() -> None:
    with pytest.raises(texts.WrongTextError, match="no text"):
        texts.parser(column_kind("list<list<int64>>"))
