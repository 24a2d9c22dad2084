"""Charts of odd figures are charts."""

import pytest

from millrace.pages.charts import Bar, points, stacked, timeline


@pytest.mark.parametrize("watts", [None, 0.0, 3.5])
@pytest.mark.parametrize("seconds", [0.0, 1e-9, 5.0, 4e6])
def test_a_time_line_of_any_length(seconds: float, watts: float | None) -> None:
    svg = timeline([Bar("train <&>", 0, seconds, "ok", watts)], ["train <&>"], "A <title>")
    assert svg.count("<svg") == 2, "one for a wide screen, one for a narrow one"
    assert "train &lt;&amp;&gt;" in svg
    assert 'aria-label="A &lt;title&gt;"' in svg
    assert ("watts" in svg) == (watts is not None)


@pytest.mark.parametrize("value", [None, 0.0, 1e-9, 1e12])
def test_bars_of_any_height(value: float | None) -> None:
    assert "color-0" in stacked(["2026-03-01"], {"news": [value]}, "title", "Wh")


@pytest.mark.parametrize("number", [1, 2, 30])
def test_any_number_of_points(number: int) -> None:
    svg = points([(1.0, 2.0, f"p{index}") for index in range(number)], "title", ("s", "Wh"))
    assert f"<title>p{number - 1}</title>" in svg


def test_a_chart_brings_no_style_and_no_script_of_its_own() -> None:
    svg = stacked(["2026-03-01"], {"news": [1.0]}, "title", "Wh")
    assert "<style" not in svg
    assert "<script" not in svg
