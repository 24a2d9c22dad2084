"""Forecast files as sites write them, and what is said of those that cannot be read."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from millrace.contracts.errors import BadInputError
from millrace.sizing.prices import Forecast, read_forecasts

FIRST = datetime(2026, 3, 29, tzinfo=UTC)  # a night in which central Europe's clocks change
AT = [(FIRST + timedelta(hours=hour)).isoformat() for hour in range(4)]


def lines(*rows: str) -> bytes:
    return "\n".join(("hour,gco2e_per_kwh,price_per_kwh", *rows)).encode()


def objects(*rows: object) -> bytes:
    return json.dumps(rows).encode()


def test_both_forms_say_the_same() -> None:
    table = read_forecasts(lines(f"{AT[0]},100,0.2", f"{AT[1]},90.5,-0.01"), "f")
    listed = read_forecasts(
        objects(
            {"hour": "2026-03-29T00:00:00Z", "gco2e_per_kwh": 100, "price_per_kwh": 0.2},
            {"hour": "2026-03-29T03:00:00+02:00", "gco2e_per_kwh": 90.5, "price_per_kwh": -0.01},
        ),
        "f",
    )
    assert table == listed
    assert table.gco2e_per_kwh == Forecast(FIRST, (100, 90.5))
    assert table.price_per_kwh == Forecast(FIRST, (0.2, -0.01))


def test_one_rate_is_enough_and_a_byte_order_mark_is_no_matter() -> None:
    found = read_forecasts(b"\xef\xbb\xbf" + lines(f"{AT[0]},100,", f"{AT[1]},90,"), "f")
    assert (found.gco2e_per_kwh, found.price_per_kwh) == (Forecast(FIRST, (100, 90)), None)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no hours"),
        (b"[]", "no hours"),
        (b"[{", "cannot be read"),
        (b'{"hour": 1}', "cannot be read"),
        (b"\xff\xfe", "decode"),
        (lines(f"{AT[0]},soon,0.2"), "row 0, gco2e_per_kwh"),
        (lines(f"{AT[0]},-5,0.2"), "row 0, gco2e_per_kwh"),
        (lines("2026-03-29T00:00:00,1,1"), "row 0, hour"),
        (lines(f"{AT[0]},1,1", f"{AT[2]},1,1"), "row 1: .* is not the hour that follows"),
        (lines(f"{AT[0]},1,1", f"{AT[0]},1,1"), "row 1: .* is not the hour that follows"),
        (lines("2026-03-29T00:30:00Z,1,1"), "row 0: .* is not the hour"),
        (lines(f"{AT[0]},1,1", f"{AT[1]},,1"), "gco2e_per_kwh is there for 1 of 2 hours"),
        (objects({"hour": AT[0], "gco2": 1}), "row 0, gco2"),
        (objects({"hour": AT[0], "gco2e_per_kwh": float("nan")}), "row 0, gco2e_per_kwh"),
        (lines(f"{AT[0]},1,1,1"), "row 0"),
        (objects(1), "row 0"),
    ],
)
def test_what_does_not_fit_is_named_with_its_remedy(content: bytes, what: str) -> None:
    with pytest.raises(BadInputError, match=what) as caught:
        read_forecasts(content, "s3://site/forecast.csv")
    assert caught.value.where == "s3://site/forecast.csv"
    assert caught.value.remedy
