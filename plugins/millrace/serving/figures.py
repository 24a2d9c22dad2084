"""A version's figures over a while, from its servers' metrics pages, and the three-valued verdict on them."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy

MIN_REQUESTS = 20
LATENCY_FLOOR_SECONDS = 0.02
_P99 = 0.99


@dataclass(frozen=True)
class Figures:
    """Requests since a version's servers began: how many, how many erred, and how many were done within each bound."""

    requests: float = 0.0
    errors: float = 0.0
    done_within_seconds: dict[float, float] = field(default_factory=dict)

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


def judge_step(policy: ServingPolicy, canary: Figures, stable: Figures) -> Verdict:
    """May the canary get more requests? "fail" and "inconclusive" as in serving.gate, each with its figures.

    Fails above ``policy.max_error_rate``, or with a p99 above ``policy.max_slowdown`` times the stable version's, which
    counts as 20 ms where it is less. Inconclusive with fewer than 20 requests to either: too few to compare.
    """
    if canary.requests and canary.errors / canary.requests > policy.max_error_rate and canary.errors > 1:
        share = f"{canary.errors:g} of {canary.requests:g} requests erred"
        return Verdict(outcome="fail", reasons=(f"{share}; at most {policy.max_error_rate:.1%} may",))
    if canary.requests < MIN_REQUESTS:
        return Verdict(outcome="inconclusive", reasons=(f"{canary.requests:g} requests are fewer than {MIN_REQUESTS}",))
    mine, theirs = canary.p99_seconds, stable.p99_seconds
    if mine is None or theirs is None or stable.requests < MIN_REQUESTS:
        reason = (
            f"the stable version had {stable.requests:g} requests, fewer than {MIN_REQUESTS}: no latency to compare"
        )
        return Verdict(outcome="inconclusive", reasons=(reason,))
    limit = policy.max_slowdown * max(theirs, LATENCY_FLOOR_SECONDS)
    sentence = (
        f"p99 within {mine * 1e3:g} ms over {canary.requests:g} requests, the stable version's within "
        f"{theirs * 1e3:g} ms; at most {limit * 1e3:g} ms may be"
    )
    if mine > limit:
        return Verdict(outcome="fail", reasons=(sentence,))
    errors = f"{canary.errors:g} of {canary.requests:g} requests erred"
    return Verdict(outcome="pass", reasons=(errors, sentence, "joules per request are not measured by the servers"))
