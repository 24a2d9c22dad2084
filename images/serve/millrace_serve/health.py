"""How a version is doing, and when the server takes a canary away by itself."""

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
# slow requests that would fall to the canary by luck alone more often than this say nothing about it
LARGEST_CHANCE = 1 / 16
LATENCY_FLOOR_SECONDS = 0.02


class Health:
    """One version's requests: totals since it was loaded, latencies and errors of the last 200. Thread-safe."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._lock = threading.Lock()
        self._recent: deque[float | None] = deque(maxlen=RECENT_REQUESTS)
        self._requests = 0
        self._errors = 0
        self._consecutive_errors = 0

    def answered(self, seconds: float) -> None:
        """A request was answered; ``seconds`` is the model's own time, without waiting for a free slot."""
        with self._lock:
            self._requests += 1
            self._consecutive_errors = 0
            self._recent.append(seconds)

    def erred(self) -> None:
        """A request got an error from the model."""
        self._failed(None)

    def late(self, seconds: float) -> None:
        """A request got no answer within ``seconds``: for the rules it was as slow as that, for the totals it erred."""
        self._failed(seconds)

    def _failed(self, seconds: float | None) -> None:
        with self._lock:
            self._requests += 1
            self._errors += 1
            self._consecutive_errors += 1
            self._recent.append(seconds)

    @property
    def consecutive_errors(self) -> int:
        """Errors, and requests without an answer in time, since the last answer."""
        return self._consecutive_errors

    def recent(self) -> tuple[int, list[float]]:
        """How many of the recent requests erred, and the sorted latencies in seconds of those that did not."""
        with self._lock:
            seconds = sorted(each for each in self._recent if each is not None)
            return len(self._recent) - len(seconds), seconds

    def report(self) -> VersionHealth:
        """The figures as the status shows them."""
        _, seconds = self.recent()
        return VersionHealth(
            version=self._version,
            requests=self._requests,
            errors=self._errors,
            p50_latency_seconds=quantile(seconds, 0.5),
            p99_latency_seconds=quantile(seconds, 0.99),
        )


def quantile(ordered: list[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values; None of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def by_chance(slow: int, requests: int, others_slow: int, others: int) -> float:
    """How likely at least ``slow`` of all slow requests fall to one of two versions that have them equally often.

    Fisher's exact test, one-sided.
    """
    total, all_slow = requests + others, slow + others_slow
    ways = sum(
        math.comb(all_slow, mine) * math.comb(total - all_slow, requests - mine)
        for mine in range(slow, min(all_slow, requests) + 1)
    )
    return ways / math.comb(total, requests)


def fault(canary: Health, stable: Health, policy: ServingPolicy) -> str | None:
    """Why the canary must go, with the figures; None while it may stay.

    It goes after three errors in a row; when, over at least 20 recent requests, its share of errors is above
    ``policy.max_error_rate``, one being a hiccup; or when its p99 is above ``policy.max_slowdown`` times the stable's,
    at least three requests being that slow. A busy machine's noise is no verdict: a stable p99 below 20 ms counts as
    20 ms, and slow requests count only where so many would rarely fall to the canary if both versions had them alike.
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
