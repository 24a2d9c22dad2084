"""Relative errors as one row of a table: n, mean, median, P95, largest, signed bias, and the bar beside them."""

import math
from collections.abc import Sequence

HEADER = f"{'':58} {'n':>4} {'mean':>7} {'median':>7} {'P95':>7} {'most':>7} {'bias':>7}   bar"


def row(name: str, errors: Sequence[float], bar: float | None = None, anchor: str = "") -> tuple[str, bool]:
    """The line, and whether the mean is within the bar."""
    sizes = sorted(abs(error) for error in errors)
    mean = math.fsum(sizes) / len(sizes)
    figures = [
        mean,
        sizes[len(sizes) // 2],
        sizes[math.ceil(0.95 * len(sizes)) - 1],
        sizes[-1],
        math.fsum(errors) / len(errors),
    ]
    kept = bar is None or mean <= bar
    shown = " ".join(f"{value:7.1%}" for value in figures)
    said = "" if bar is None else f"{bar:.1%} {'kept' if kept else 'MISSED'}"
    return f"{name:58} {len(errors):4} {shown}   {said} {anchor}".rstrip(), kept
