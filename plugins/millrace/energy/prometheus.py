"""Joules of a run from meters that Prometheus scrapes, and the client of its HTTP API.

Only samples within the window count: before and after it, a shared meter measures other runs. Between the window's
edges and the first or last sample, power is that of the sample (or of the counter's nearest interval). A gap longer
than ``longest_gap_seconds`` (of a gauge, or at an edge) is not interpolated and not covered.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

_REQUEST_SECONDS = 10
# Labels of dcgm-exporter and node meters that identify a physical meter; the pod's name on one meter may change.
_METER_LABELS = ("UUID", "gpu_uuid", "Hostname", "instance", "node")
Sample = tuple[float, float]
# Longest gap that is interpolated, in scrape intervals.
GAP_SCRAPES = 4


class PrometheusError(Exception):
    """Prometheus does not answer, rejects a query, or returns several series instead of one.

    No message contains the URL, which may have a password.
    """


@dataclass(frozen=True)
class Series:
    """A series: labels, and samples as (Unix seconds, value), ordered by time."""

    labels: dict[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Prometheus:
    """Client of the server at ``url``."""

    url: str

    def number(self, query: str, at: float | None = None) -> float | None:
        """Return a query's number at a time (None: now); None if there is no series or the value is not finite."""
        data = self._ask(query, at)
        samples = [data["result"]] if data["resultType"] == "scalar" else [each["value"] for each in data["result"]]
        if len(samples) > 1:
            raise PrometheusError(f"{query} gives {len(samples)} series, not one")
        value = float(samples[0][1]) if samples else math.nan
        return value if math.isfinite(value) else None

    def samples(self, selector: str, begin: float, end: float) -> list[Series]:
        """Return every series of a selector with its scraped samples from ``begin`` to ``end``, not resampled."""
        window = max(1, math.ceil((end - begin) * 1000) + 1)
        data = self._ask(f"{selector}[{window}ms]", end)
        return [
            Series(
                dict(each["metric"]),
                tuple((float(at), float(value)) for at, value in each["values"] if begin <= float(at) <= end),
            )
            for each in data["result"]
        ]

    def _ask(self, query: str, at: float | None) -> dict[str, Any]:
        import httpx  # the import takes a fifth of a second; each process that reads the settings imports this module

        given = {"query": query} | ({"time": f"{at:.3f}"} if at else {})
        try:
            answer = httpx.get(
                f"{self.url.rstrip('/')}/api/v1/query", params=given, timeout=_REQUEST_SECONDS, trust_env=False
            )
            body = answer.json()
            data = body["data"] if body["status"] == "success" else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, KeyError) as error:
            raise PrometheusError(f"Prometheus does not answer: {type(error).__name__}") from error
        if data is None:
            raise PrometheusError(f"Prometheus refuses {query}: {body.get('error')}")
        found: dict[str, Any] = data
        return found


@dataclass(frozen=True)
class MeterQuery:
    """A selector of series and their unit; ``DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{pod=~"…"}`` counts millijoules."""

    kind: Literal["counter", "gauge"]
    selector: str
    unit_joules: float = 1.0


def gpu_watts(labels: str) -> str:
    """Return the selector of dcgm-exporter's power gauge; ``labels`` (without braces) select the GPUs."""
    return f"DCGM_FI_DEV_POWER_USAGE{{{labels}}}"


def gpu_queries(labels: str) -> tuple[MeterQuery, ...]:
    """Return queries of dcgm-exporter's meters of the GPUs that ``labels`` select: NVML's counter (Volta and later),
    then watts.

    The scrape must keep the exporter's own labels (``honor_labels``), which name the pod.
    """
    counted = f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}}"
    return (MeterQuery("counter", counted, 1e-3), MeterQuery("gauge", gpu_watts(labels)))


@dataclass(frozen=True)
class Metered:
    """Joules of a window, and its coverage; None, with the ``reason``, if the coverage is too small."""

    joules: float | None
    coverage: float
    query: MeterQuery | None
    reason: str | None = None


@dataclass(frozen=True)
class MeteredEnergy:
    """Reader of metered joules: runs the queries in order (counters first) until one covers enough of the window."""

    prometheus: Prometheus
    queries: tuple[MeterQuery, ...]
    scrape_seconds: float = 30.0
    coverage_at_least: float = 0.95

    def read(self, begin: float, end: float) -> Metered:
        """Return the joules from ``begin`` to ``end`` (Unix seconds), summed over all selected meters. Never raises."""
        best = Metered(None, 0.0, None, "no meter has a sample in the window")
        for query in self.queries:
            try:
                found = self._by(query, begin, end)
            except PrometheusError as error:
                found = Metered(None, 0.0, query, str(error))
            if found.joules is not None:
                return found
            if found.coverage >= best.coverage:
                best = found
        return best

    def _by(self, query: MeterQuery, begin: float, end: float) -> Metered:
        meters = _meters(self.prometheus.samples(query.selector, begin, end))
        rule = of_counter if query.kind == "counter" else of_gauge
        if not meters or end <= begin:
            return Metered(None, 0.0, query, f"no sample of {query.selector}")
        found = [rule(samples, begin, end, GAP_SCRAPES * self.scrape_seconds) for samples in meters]
        # a meter without samples is an unmeasured part of the run: the smallest coverage counts
        coverage = min(1.0, min(covered for _, covered in found) / (end - begin))
        if coverage < self.coverage_at_least:
            seen = f"{query.selector} covers {coverage:.0%} of the window, {self.coverage_at_least:.0%} at least"
            return Metered(None, coverage, query, seen)
        return Metered(sum(joules for joules, _ in found) * query.unit_joules, coverage, query)


def _meters(series: Sequence[Series]) -> list[list[Sample]]:
    """Return the samples of each physical meter, merging the series of one meter."""
    by_meter: dict[tuple[str, ...], list[Series]] = {}
    for each in series:
        named = tuple(each.labels[label] for label in _METER_LABELS if label in each.labels)
        # a UUID identifies a meter; without one, the host and the GPU's number on it do
        meter = named[:1] if "UUID" in each.labels else (*named, each.labels.get("gpu", ""))
        by_meter.setdefault(meter, []).append(each)
    return [_one_after_another(shown) for shown in by_meter.values()]


def _one_after_another(series: Sequence[Series]) -> list[Sample]:
    """Merge the series of one meter so that each time is covered by one series: the clocks of scrapers differ, and a
    counter read by both would seem to decrease. The longest series has priority.
    """
    kept: list[Sample] = []
    spans: list[tuple[float, float]] = []
    for each in sorted(series, key=lambda shown: len(shown.samples), reverse=True):
        new = [sample for sample in each.samples if not any(first <= sample[0] <= last for first, last in spans)]
        if new:
            kept += new
            spans.append((new[0][0], new[-1][0]))
    return sorted(kept)


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
