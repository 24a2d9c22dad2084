"""Judgement of a canary, the same for a model server's automatic revert and for a rollout in a cluster."""

import math
from typing import Protocol

from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy

# fewer requests of a version are no sample; smoke requests and a judged step send at least as many
MIN_REQUESTS = 20
MIN_ERRORS = 2
CONSECUTIVE_ERRORS = 3
MIN_SLOW_REQUESTS = 3
# a canary's slow requests count only if chance alone would produce them at most this often
LARGEST_CHANCE = 1 / 16
LATENCY_FLOOR_SECONDS = 0.02
JUDGED_QUANTILE = 0.99


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

    def slower_than(self, seconds: float) -> tuple[int, int] | None:
        """Return the number of slower answers and of all answers; None where single answers are not known."""


def judge(policy: ServingPolicy, canary: Measured, stable: Measured) -> Verdict:
    """Return the verdict on whether the canary may keep its requests or get more, with its metrics as reasons.

    Fails if two or more requests erred and their share is above ``policy.max_error_rate``; if the p99 is above
    ``policy.max_slowdown`` times the stable version's (at least 20 ms), and, where single answers are known, three or
    more are that slow and `by_chance` is at most 1/16; or, if sensors measured both versions, if the joules per request
    exceed the stable version's by more than ``policy.max_joules_increase``. Inconclusive if either version has fewer
    than 20 requests.
    """
    erred = f"{canary.errors:.4g} of {canary.requests:.4g} requests erred"
    if canary.errors >= MIN_ERRORS and canary.errors / canary.requests > policy.max_error_rate:
        return Verdict(outcome="fail", reasons=(f"{erred}; at most {policy.max_error_rate:.1%} may",))
    if canary.requests < MIN_REQUESTS:
        reason = f"{canary.requests:.4g} requests are fewer than {MIN_REQUESTS}"
        return Verdict(outcome="inconclusive", reasons=(reason,))
    mine, theirs = canary.p99_seconds, stable.p99_seconds
    if mine is None or theirs is None or stable.requests < MIN_REQUESTS:
        reason = (
            f"the stable version had {stable.requests:.4g} requests, fewer than {MIN_REQUESTS}: no latency to compare"
        )
        return Verdict(outcome="inconclusive", reasons=(reason,))
    limit_seconds = policy.max_slowdown * max(theirs, LATENCY_FLOOR_SECONDS)
    latency = (
        f"p99 latency {mine * 1e3:.4g} ms over {canary.requests:.4g} requests, the stable version's is "
        f"{theirs * 1e3:.4g} ms; at most {limit_seconds * 1e3:.4g} ms may be"
    )
    if mine > limit_seconds and _is_beyond_chance(canary, stable, limit_seconds):
        return Verdict(outcome="fail", reasons=(latency,))
    costlier, energy = _energy(policy, canary, stable)
    if costlier:
        return Verdict(outcome="fail", reasons=(energy, latency))
    return Verdict(outcome="pass", reasons=(erred, latency, energy))


def quantile(ordered: list[float], share: float) -> float | None:
    """Return the nearest-rank quantile of sorted values; None for an empty list."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def by_chance(slow: int, requests: int, others_slow: int, others: int) -> float:
    """Return the probability that a version gets at least ``slow`` of all slow requests if both versions are equal.

    This is the one-sided p-value of Fisher's exact test.
    """
    total, all_slow = requests + others, slow + others_slow
    ways = sum(
        math.comb(all_slow, mine) * math.comb(total - all_slow, requests - mine)
        for mine in range(slow, min(all_slow, requests) + 1)
    )
    return ways / math.comb(total, requests)


def _is_beyond_chance(canary: Measured, stable: Measured, limit_seconds: float) -> bool:
    mine, theirs = canary.slower_than(limit_seconds), stable.slower_than(limit_seconds)
    if mine is None or theirs is None:
        return True
    return mine[0] >= MIN_SLOW_REQUESTS and by_chance(*mine, *theirs) <= LARGEST_CHANCE


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
