"""Metrics of a version over a period, their sources, and the verdict on a canary step: pass, fail or inconclusive."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy

MIN_REQUESTS = 20
LATENCY_FLOOR_SECONDS = 0.02
_P99 = 0.99


class UnmeasuredError(Exception):
    """There are no metrics for a verdict; the text is the reason."""


class Measured(Protocol):
    """Metrics of a version over a period; None is unknown. Estimated joules are shown, never judged."""

    @property
    def requests(self) -> float:
        """Number of requests."""

    @property
    def errors(self) -> float:
        """Number of requests that failed."""

    @property
    def p99_seconds(self) -> float | None:
        """Time within which 99 % of the answers were given."""

    @property
    def joules_per_request(self) -> float | None:
        """Joules of its servers per request."""

    @property
    def joules_are_estimated(self) -> bool:
        """Whether the joules are estimated instead of measured by a sensor."""


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
        return min(bound for bound, count in self.done_within_seconds.items() if count >= _P99 * answered)


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


def judge_step(policy: ServingPolicy, canary: Measured, stable: Measured) -> Verdict:
    """Return the verdict on whether the canary may get more requests, with its metrics as reasons.

    Fails if the error rate is above ``policy.max_error_rate`` with more than one error; if the p99 is above
    ``policy.max_slowdown`` times the stable version's (at least 20 ms); or, if sensors measured both versions, if the
    joules per request exceed the stable version's by more than ``policy.max_joules_increase``. Inconclusive if either
    version has fewer than 20 requests.
    """
    if canary.requests and canary.errors / canary.requests > policy.max_error_rate and canary.errors > 1:
        share = f"{canary.errors:.4g} of {canary.requests:.4g} requests erred"
        return Verdict(outcome="fail", reasons=(f"{share}; at most {policy.max_error_rate:.1%} may",))
    if canary.requests < MIN_REQUESTS:
        reason = f"{canary.requests:.4g} requests are fewer than {MIN_REQUESTS}"
        return Verdict(outcome="inconclusive", reasons=(reason,))
    mine, theirs = canary.p99_seconds, stable.p99_seconds
    if mine is None or theirs is None or stable.requests < MIN_REQUESTS:
        reason = (
            f"the stable version had {stable.requests:.4g} requests, fewer than {MIN_REQUESTS}: no latency to compare"
        )
        return Verdict(outcome="inconclusive", reasons=(reason,))
    limit = policy.max_slowdown * max(theirs, LATENCY_FLOOR_SECONDS)
    sentence = (
        f"p99 within {mine * 1e3:.4g} ms over {canary.requests:.4g} requests, the stable version's within "
        f"{theirs * 1e3:.4g} ms; at most {limit * 1e3:.4g} ms may be"
    )
    if mine > limit:
        return Verdict(outcome="fail", reasons=(sentence,))
    costlier, energy = _energy(policy, canary, stable)
    if costlier:
        return Verdict(outcome="fail", reasons=(energy, sentence))
    errors = f"{canary.errors:.4g} of {canary.requests:.4g} requests erred"
    return Verdict(outcome="pass", reasons=(errors, sentence, energy))


def _energy(policy: ServingPolicy, canary: Measured, stable: Measured) -> tuple[bool, str]:
    """Return whether measured joules per request are too many, and a sentence about them."""
    mine, theirs = canary.joules_per_request, stable.joules_per_request
    if mine is None or not theirs:
        return False, "joules per request are not measured, and so not judged"
    sentence = f"{mine:.4g} J per request, the stable version's {theirs:.4g} J"
    if canary.joules_are_estimated or stable.joules_are_estimated:
        return False, f"{sentence}, both estimated, and so not judged"
    return mine > theirs * (1 + policy.max_joules_increase), (
        f"{sentence}; at most {policy.max_joules_increase:.0%} more may be"
    )
