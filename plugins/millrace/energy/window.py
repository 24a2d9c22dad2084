"""Joules of a window from samples of a power gauge or an energy counter.

Only samples within the window count: before and after it, a shared meter measures other runs. Between the window's
edges and the first or last sample, power is that of the sample (or of the counter's nearest interval). A gap longer
than ``longest_gap_seconds`` (of a gauge, or at an edge) is not interpolated and not covered.
"""

from collections.abc import Sequence
from itertools import pairwise

Sample = tuple[float, float]

# Longest gap that is interpolated, in scrape intervals.
GAP_SCRAPES = 4


def of_gauge(samples: Sequence[Sample], begin: float, end: float, longest_gap_seconds: float) -> tuple[float, float]:
    """Return joules and covered seconds from samples in watts, by the trapezoidal rule."""
    inside = _inside(samples, begin, end)
    joules = covered = 0.0
    for (before, low), (after, high) in pairwise(inside):
        if after - before <= longest_gap_seconds:
            joules += (after - before) * (low + high) / 2
            covered += after - before
    for seconds, watts in _edges(inside, begin, end, longest_gap_seconds):
        joules += seconds * watts
        covered += seconds
    return joules, covered


def of_counter(samples: Sequence[Sample], begin: float, end: float, longest_gap_seconds: float) -> tuple[float, float]:
    """Return joules and covered seconds from samples of a counter.

    A counter includes the energy of a gap. If it decreases, it was reset: its new value is added, and the time between
    the two samples is not covered.
    """
    inside = _inside(samples, begin, end)
    joules = covered = 0.0
    rates: list[Sample] = []
    for (before, low), (after, high) in pairwise(inside):
        if high < low:
            joules += high
            continue
        joules += high - low
        covered += after - before
        rates.append((before, (high - low) / (after - before)))
    if not rates:
        return joules, covered
    ends = [(inside[0][0], rates[0][1]), (inside[-1][0], rates[-1][1])]
    for seconds, watts in _edges(ends, begin, end, longest_gap_seconds):
        joules += seconds * watts
        covered += seconds
    return joules, covered


def _inside(samples: Sequence[Sample], begin: float, end: float) -> list[Sample]:
    """Return the window's samples by time; of several at one time (two scrapers of a meter) one, the smallest value."""
    found = {at: value for at, value in sorted(samples, reverse=True) if begin <= at <= end}
    return sorted(found.items())


def _edges(inside: Sequence[Sample], begin: float, end: float, longest_gap_seconds: float) -> list[Sample]:
    """Return the seconds at each edge of the window, with the watts of the nearest sample."""
    if not inside:
        return []
    (first, low), (last, high) = inside[0], inside[-1]
    edges = ((first - begin, low), (end - last, high))
    return [(seconds, watts) for seconds, watts in edges if 0 < seconds <= longest_gap_seconds]
