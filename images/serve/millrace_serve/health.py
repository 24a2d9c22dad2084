"""Health statistics of a version, and the rules by which the server removes a canary automatically."""

import math
import threading
from collections import deque

from millrace.contracts.serving import VersionHealth
from millrace.contracts.workload import ServingPolicy

RECENT_REQUESTS = 200
MIN_REQUESTS = 20
CONSECUTIVE_ERRORS = 3
MIN_ERRORS = 2
MIN_SLOW_REQUESTS = 3
# a canary's slow requests count only if chance alone would produce them at most this often
LARGEST_CHANCE = 1 / 16
LATENCY_FLOOR_SECONDS = 0.02


class Health:
    """Request statistics of one version: totals since loading, latencies and errors of the last 200. Thread-safe."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._recent: deque[float | None] = deque(maxlen=RECENT_REQUESTS)
        self._requests = 0
        self._errors = 0
        self._consecutive_errors = 0

    def answered(self, seconds: float) -> None:
        """Record an answered request; ``seconds`` is the model's own time, without waiting for a free slot."""
        with self._lock:
            self._requests += 1
            self._consecutive_errors = 0
            self._recent.append(seconds)

    def erred(self) -> None:
        """Record a request on which the model failed."""
        self._failed(None)

    def late(self, seconds: float) -> None:
        """Record a timeout after ``seconds``: an error in the totals, a latency in the recent requests."""
        self._failed(seconds)

    def _failed(self, seconds: float | None) -> None:
        with self._lock:
            self._requests += 1
            self._errors += 1
            self._consecutive_errors += 1
            self._recent.append(seconds)

    @property
    def consecutive_errors(self) -> int:
        """Number of errors and timeouts since the last answer."""
        return self._consecutive_errors

    def recent(self) -> tuple[int, list[float]]:
        """Return the number of errors among the recent requests, and the others' sorted latencies in seconds."""
        with self._lock:
            seconds = sorted(each for each in self._recent if each is not None)
            return len(self._recent) - len(seconds), seconds

    def report(self) -> VersionHealth:
        """Return the metrics for the serving status."""
        _, seconds = self.recent()
        return VersionHealth(
            version=self._version,
            requests=self._requests,
            errors=self._errors,
            p50_latency_seconds=quantile(seconds, 0.5),
            p99_latency_seconds=quantile(seconds, 0.99),
        )


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


def fault(canary: Health, stable: Health, policy: ServingPolicy) -> str | None:
    """Return the reason, with its metrics, why the canary must be removed; None if it may stay.

    It is removed after three errors in a row; if, over at least 20 recent requests, two or more erred and the share
    is above ``policy.max_error_rate``; or if, over at least 20 latencies of each version, its p99 is above
    ``policy.max_slowdown`` times the stable one's and three or more requests are that slow. Against noise of a busy
    machine, a stable p99 below 20 ms counts as 20 ms, and slow requests count only if `by_chance` is at most 1/16.
    """
    if canary.consecutive_errors >= CONSECUTIVE_ERRORS:
        return f"{canary.consecutive_errors} errors in a row"
    errors, seconds = canary.recent()
    count = errors + len(seconds)
    if count >= MIN_REQUESTS and errors >= MIN_ERRORS and errors / count > policy.max_error_rate:
        return f"{errors} of the last {count} requests erred; at most {policy.max_error_rate:.1%} may"
    _, stable_seconds = stable.recent()
    if min(len(seconds), len(stable_seconds)) < MIN_REQUESTS:
        return None
    usual = quantile(stable_seconds, 0.99) or 0.0
    limit_seconds = policy.max_slowdown * max(usual, LATENCY_FLOOR_SECONDS)
    slow = sum(each > limit_seconds for each in seconds)
    p99 = quantile(seconds, 0.99) or 0.0
    if p99 <= limit_seconds or slow < MIN_SLOW_REQUESTS:
        return None
    others = sum(each > limit_seconds for each in stable_seconds)
    if by_chance(slow, len(seconds), others, len(stable_seconds)) > LARGEST_CHANCE:
        return None
    return (
        f"p99 latency {p99 * 1000:.0f} ms over the last {len(seconds)} requests, the stable version's is "
        f"{usual * 1000:.0f} ms; at most {limit_seconds * 1000:.0f} ms may be"
    )
