"""Prometheus metrics of the model server at /metrics, in addition to kserve's own."""

from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "millrace_requests", "Requests that a version was asked to answer.", ["workload", "version", "outcome"]
)
REFUSED = Counter("millrace_refused_requests", "Requests that no version was asked to answer.", ["status"])
SECONDS = Histogram(
    "millrace_request_seconds",
    "A version's own time for a request, without waiting for a free slot.",
    ["workload", "version"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
IN_FLIGHT = Gauge("millrace_requests_in_flight", "Inference requests received and not yet answered.")
LOADED = Gauge("millrace_version_loaded", "1 for each version in memory.", ["workload", "version"])
REVERTS = Counter("millrace_reverts", "Canaries that the server took away by itself.", ["workload"])

OUTCOMES = ("ok", "error", "timeout")


class VersionSeries:
    """Time series of a loaded version, created at zero: Prometheus counts no increase before the first value it reads.

    Values counted after ``forget`` are not exported: a late answer of a released version does not recreate the series.
    """

    def __init__(self, workload: str, version: str) -> None:
        self._labels = (workload, version)
        REVERTS.labels(workload)
        self._outcomes = {outcome: REQUESTS.labels(workload, version, outcome) for outcome in OUTCOMES}
        self._seconds = SECONDS.labels(workload, version)
        LOADED.labels(workload, version).set(1)

    def answered(self, seconds: float) -> None:
        """Record an answered request; ``seconds`` is the version's own time."""
        self._seconds.observe(seconds)
        self._outcomes["ok"].inc()

    def failed(self, outcome: Literal["error", "timeout"]) -> None:
        """Record a request that got no answer."""
        self._outcomes[outcome].inc()

    def forget(self) -> None:
        """Remove the series, so that their number stays bounded."""
        for outcome in OUTCOMES:
            _remove(REQUESTS, *self._labels, outcome)
        _remove(SECONDS, *self._labels)
        _remove(LOADED, *self._labels)


def _remove(metric: Counter | Gauge | Histogram, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:  # a version of the same name was removed earlier
        return
