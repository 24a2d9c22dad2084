"""A version's figures over a while, where they come from, and the three-valued verdict on them."""

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
    """There are no figures to judge by, for this reason."""


class Measured(Protocol):
    """What is known of a version over a while; None is unknown. Estimated joules are shown, never judged."""

    @property
    def requests(self) -> float:
        """How many it was asked to answer."""

    @property
    def errors(self) -> float:
        """How many of them it did not answer."""

    @property
    def p99_seconds(self) -> float | None:
        """The time that 99 % of the answers took at most."""

    @property
    def joules_per_request(self) -> float | None:
        """What its servers used, by the request."""

    @property
    def joules_are_estimated(self) -> bool:
        """Whether no sensor measured them."""


class Reading(Protocol):
    """Figures from its beginning on."""

    def of(self, version: str) -> Measured:
        """One version's, with everything in them that was asked before this call. Raises UnmeasuredError."""


class Source(Protocol):
    """Where figures come from."""

    def begin(self, workload: str, versions: Sequence[str]) -> Reading:
        """Begin to count for these versions. Raises UnmeasuredError."""


@dataclass(frozen=True)
class Figures:
    """Requests since a version's servers began: how many, how many erred, and how many were done within each bound."""

    requests: float = 0.0
    errors: float = 0.0
    done_within_seconds: dict[float, float] = field(default_factory=dict)
    joules_per_request: float | None = None
    joules_are_estimated: bool = False

    @classmethod
    def read(cls, pages: Iterable[str], version: str) -> "Figures":
        """The sum over the servers' pages (Prometheus text format)."""
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
        """What came after ``before``. A server that began anew counts from nothing, so no figure is negative."""
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
        """The bound that 99 % of the answered requests were done within, as fine as the histogram's buckets."""
        answered = self.done_within_seconds.get(math.inf, 0.0)
        if not answered:
            return None
        return min(bound for bound, count in self.done_within_seconds.items() if count >= _P99 * answered)


@dataclass(frozen=True)
class PagesSource:
    """The servers' own metrics; ``pages`` gives those of a workload's version. They know nothing of joules."""

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
    """May the canary get more requests? "fail" and "inconclusive" as in serving.gate, each with its figures.

    Fails above ``policy.max_error_rate``, with a p99 above ``policy.max_slowdown`` times the stable version's, which
    counts as 20 ms where it is less, or with more joules per request than ``policy.max_joules_increase`` lets it have,
    where a sensor measured both. Inconclusive with fewer than 20 requests to either: too few to compare.
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
    """Whether the canary's requests are known to cost too many joules, and a sentence about it."""
    mine, theirs = canary.joules_per_request, stable.joules_per_request
    if mine is None or not theirs:
        return False, "joules per request are not measured, and so not judged"
    sentence = f"{mine:.4g} J per request, the stable version's {theirs:.4g} J"
    if canary.joules_are_estimated or stable.joules_are_estimated:
        return False, f"{sentence}, both estimated, and so not judged"
    return mine > theirs * (1 + policy.max_joules_increase), (
        f"{sentence}; at most {policy.max_joules_increase:.0%} more may be"
    )
