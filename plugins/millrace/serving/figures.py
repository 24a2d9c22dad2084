"""Metrics of a version over a period, and their sources."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

from millrace.scoring.canary import JUDGED_QUANTILE, Measured


class UnmeasuredError(Exception):
    """There are no metrics for a verdict; the text is the reason."""


class Reading(Protocol):
    """Measurement in progress: metrics since its beginning."""

    def of(self, version: str) -> Measured:
        """Return a version's metrics, with all requests before this call included. Raises UnmeasuredError."""


class Source(Protocol):
    """Source of metrics."""

    def begin(self, workload: str, versions: Sequence[str]) -> Reading:
        """Begin a measurement of these versions. Raises UnmeasuredError."""


@dataclass(frozen=True)
class Figures:
    """Counters of a version's servers: requests, errors, and answers within each bound of the latency histogram."""

    requests: float = 0.0
    errors: float = 0.0
    done_within_seconds: dict[float, float] = field(default_factory=dict)
    joules_per_request: float | None = None
    joules_are_estimated: bool = False

    @classmethod
    def read(cls, pages: Iterable[str], version: str) -> "Figures":
        """Return the sums over the servers' metrics pages (Prometheus text format)."""
        requests = errors = 0.0
        within: dict[float, float] = defaultdict(float)
        for page in pages:
            for family in text_string_to_metric_families(page):
                for sample in family.samples:
                    if sample.labels.get("version") != version:
                        continue
                    if sample.name == "millrace_requests_total":
                        requests += sample.value
                        errors += sample.value if sample.labels["outcome"] != "ok" else 0.0
                    elif sample.name == "millrace_request_seconds_bucket":
                        within[float(sample.labels["le"])] += sample.value
        return cls(requests, errors, dict(within))

    def since(self, before: "Figures") -> "Figures":
        """Return the increase since ``before``; 0 where a counter is smaller, because its server was restarted."""
        return Figures(
            max(0.0, self.requests - before.requests),
            max(0.0, self.errors - before.errors),
            {
                bound: max(0.0, count - before.done_within_seconds.get(bound, 0.0))
                for bound, count in self.done_within_seconds.items()
            },
        )

    @property
    def p99_seconds(self) -> float | None:
        """Smallest bucket bound within which 99 % of the requests were answered; None without answers."""
        answered = self.done_within_seconds.get(math.inf, 0.0)
        if not answered:
            return None
        return min(bound for bound, count in self.done_within_seconds.items() if count >= JUDGED_QUANTILE * answered)

    def slower_than(self, seconds: float) -> None:
        """Return None: a histogram has no single answers."""


@dataclass(frozen=True)
class PagesSource:
    """Source that reads the servers' metrics pages; ``pages`` returns those of a version. They have no joules."""

    pages: Callable[[str, str], list[str]]

    def begin(self, workload: str, versions: Sequence[str]) -> Reading:
        """See Source."""
        before = {version: Figures.read(self.pages(workload, version), version) for version in versions}
        return _PagesReading(self.pages, workload, before)


@dataclass(frozen=True)
class _PagesReading:
    pages: Callable[[str, str], list[str]]
    workload: str
    before: dict[str, Figures]

    def of(self, version: str) -> Figures:
        return Figures.read(self.pages(self.workload, version), version).since(self.before[version])
