"""SVG charts by pygal: it draws lines, axes and labels; the style sheet sets colours (light and dark) and fonts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pygal
from markupsafe import Markup

from millrace.pages import figures

_WIDE, _NARROW = 1060, 420
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
Chart = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Bar:
    """A step's bar on the timeline: begin and end in seconds since the run's start, state and mean watts."""

    step: str
    begin_seconds: float
    end_seconds: float
    state: str
    watts: float | None


def timeline(bars: Sequence[Bar], steps: Sequence[str], title: str) -> Markup:
    """Draw steps as bars from top to bottom, and over them each attempt's mean watts, with a scale on the right."""
    rows = {step: len(steps) - index for index, step in enumerate(steps)}
    end = max([1.0, *(bar.end_seconds for bar in bars)])

    def make(options: dict[str, Any]) -> Any:  # noqa: ANN401
        chart = pygal.XY(
            **options,
            height=90 + 26 * len(steps),
            xrange=(0, end),
            range=(0, len(steps) + 1),
            secondary_range=(0, 1.1 * max((bar.watts or 0 for bar in bars), default=0) or 1),
            show_legend=False,
            dots_size=3,
            x_value_formatter=figures.seconds,
            value_formatter=figures.watts,
            show_y_guides=False,
        )
        # evenly spaced, because the scale on the right has a label beside each of these
        labels = {0: "", **{row: step for step, row in reversed(rows.items())}, len(steps) + 1: ""}
        chart.y_labels = [{"value": row, "label": step} for row, step in labels.items()]
        step = _round_step(end / (3 if options["width"] == _NARROW else 8))
        chart.x_labels = [step * tick for tick in range(int(end / step) + 1)]
        for bar in bars:
            text = f"{bar.step}: {figures.seconds(bar.end_seconds - bar.begin_seconds)}, {bar.state}"
            text += f", {figures.watts(bar.watts, 'power not measured')}"
            ends = [(at, rows[bar.step]) for at in (bar.begin_seconds, bar.end_seconds)]
            chart.add(None, [{"value": point, "label": text} for point in ends])
        for bar in bars:
            if bar.watts is not None:
                points: list[tuple[float, float]] = [(bar.begin_seconds, 0), (bar.begin_seconds, bar.watts)]
                points += [(bar.end_seconds, bar.watts), (bar.end_seconds, 0)]
                chart.add(None, points, secondary=True, show_dots=False)
        return chart

    states = [f"bar state-{bar.state}" for bar in bars] + ["watts" for bar in bars if bar.watts is not None]
    return _both(make, title, states)


def stacked(days: Sequence[str], series: Mapping[str, Sequence[float | None]], title: str, unit: str) -> Markup:
    """Draw one stacked bar per day (or per week), with a part for each series."""

    def make(options: dict[str, Any]) -> Any:  # noqa: ANN401
        narrow = options["width"] == _NARROW
        chart = pygal.StackedBar(
            **options,
            height=300,
            legend_at_bottom=True,
            show_minor_x_labels=False,
            truncate_label=-1,
            truncate_legend=-1,
            value_formatter=lambda value: f"{_short(value)} {unit}",
        )
        labels = [day[5:] for day in days] if narrow else list(days)
        chart.x_labels = labels
        chart.x_labels_major = labels[:: max(1, math.ceil(len(days) / (5 if narrow else 9)))]
        for name, values in series.items():
            parts = [
                {"value": value, "label": f"{name}, {day}: {_short(value or 0)} {unit}"}
                for day, value in zip(days, values, strict=True)
            ]
            chart.add(name, parts)
        return chart

    return _both(make, title, [f"part color-{index % 8}" for index in range(len(series))])


def points(found: Sequence[tuple[float, float, str]], title: str, units: tuple[str, str]) -> Markup:
    """Draw named points; smaller values are better on both axes."""

    def make(options: dict[str, Any]) -> Any:  # noqa: ANN401
        chart = pygal.XY(
            **options,
            height=320,
            stroke=False,
            dots_size=6,
            show_legend=False,
            x_title=units[0],
            y_title=units[1],
            value_formatter=_short,
            x_value_formatter=_short,
        )
        chart.add(None, [{"value": (x, y), "label": name} for x, y, name in found])
        return chart

    return _both(make, title, ["points color-0"])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _round_step(seconds: float) -> float:
    """Return the next larger common time span: 1, 2, 5, 10, 15, 30 s … or whole days."""
    return next((step for step in _STEPS_SECONDS if step >= seconds), math.ceil(seconds / 86400) * 86400)


def _both(make: Chart, title: str, classes: Sequence[str]) -> Markup:
    """Return the chart for wide and for narrow screens; the style sheet shows one of them."""
    texts = []
    for name, width in (("wide", _WIDE), ("narrow", _NARROW)):
        options = {
            "width": width,
            "css": (),
            "js": (),
            "margin": 4,
            "xml_filters": (),
        }
        chart = make(options)
        chart.add_xml_filter(lambda root: _named(root, title, classes))
        text = chart.render(is_unicode=True, disable_xml_declaration=True)
        texts.append(f'<div class="chart {name}">{text}</div>')
    return Markup("".join(texts))  # noqa: S704 - pygal writes it as XML, and escapes what it is given


def _named(root: Element, title: str, classes: Sequence[str]) -> Element:
    """Add the title for screen readers, a tooltip for each part, and the CSS classes; remove styles and scripts."""
    root.set("role", "img")
    root.set("aria-label", title)
    names: dict[str, str] = {}
    groups: dict[str, Element] = {}
    at_work = ""
    for parent in list(root.iter()):
        texts = {child.get("class", ""): child.text or "" for child in parent if child.tag == "desc"}
        for child in list(parent):
            kind = child.tag if isinstance(child.tag, str) else "comment"
            if kind in ("style", "script", "defs", "title", "desc", "comment"):
                parent.remove(child)
        text = texts.get("label") or texts.get("value")
        if text:
            SubElement(parent, "title").text = text
        series = parent.get("class", "").partition("series serie-")[2].partition(" ")[0]
        if series:
            parent.set("class", f"{parent.get('class')} {classes[int(series)]}")
            groups.setdefault(series, parent)
            at_work = series
        elif text and groups:
            names.setdefault(at_work, text)
    for series, text in names.items():
        if "bar" in groups[series].get("class", "").split():
            SubElement(groups[series], "title").text = text
    return root
