"""Health statistics of a version, by which the server removes a canary automatically."""

import threading
from collections import deque
from dataclasses import dataclass

from millrace.contracts.serving import VersionHealth
from millrace.contracts.workload import ServingPolicy
from millrace.scoring.canary import CONSECUTIVE_ERRORS, JUDGED_QUANTILE, MIN_REQUESTS, judge, quantile

RECENT_REQUESTS = 200


@dataclass(frozen=True)
class Recent:
    """Metrics of the recent requests: the number of errors, and the others' sorted latencies; see canary.Measured."""

    errors: int
    seconds: list[float]
    joules_per_request: None = None
    joules_are_estimated: bool = False

    @property
    def requests(self) -> int:
        """Number of requests."""
        return self.errors + len(self.seconds)

    @property
    def p99_seconds(self) -> float | None:
        """Latency that 99 % of the requests did not exceed."""
        return quantile(self.seconds, JUDGED_QUANTILE)

    def slower_than(self, seconds: float) -> tuple[int, int]:
        """Return the number of slower requests, and of all that have a latency."""
        return sum(each > seconds for each in self.seconds), len(self.seconds)


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

    def recent(self) -> Recent:
        """Return the metrics of the recent requests."""
        with self._lock:
            seconds = sorted(each for each in self._recent if each is not None)
            return Recent(len(self._recent) - len(seconds), seconds)

    def report(self) -> VersionHealth:
        """Return the metrics for the serving status."""
        recent = self.recent()
        return VersionHealth(
            version=self._version,
            requests=self._requests,
            errors=self._errors,
            p50_latency_seconds=quantile(recent.seconds, 0.5),
            p99_latency_seconds=recent.p99_seconds,
        )


def fault(canary: Health, stable: Health, policy: ServingPolicy) -> str | None:
    """Return the reason, with its metrics, why the canary must be removed; None if it may stay.

    It is removed after three errors in a row, and, over at least 20 recent requests, if `judge` fails it.
    """
    if canary.consecutive_errors >= CONSECUTIVE_ERRORS:
        return f"{canary.consecutive_errors} errors in a row"
    recent = canary.recent()
    if recent.requests < MIN_REQUESTS:
        return None
    verdict = judge(policy, recent, stable.recent())
    return verdict.reasons[0] if verdict.outcome == "fail" else None
