"""What Prometheus sees at /metrics, beside kserve's own."""

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


def loaded(workload: str, version: str) -> None:
    """Begin a version's series at nothing: Prometheus counts no increase up to the first value that it sees."""
    REVERTS.labels(workload)
    for outcome in OUTCOMES:
        REQUESTS.labels(workload, version, outcome)
    SECONDS.labels(workload, version)
    LOADED.labels(workload, version).set(1)


def forget(workload: str, version: str) -> None:
    """Drop a released version's series, so that the number of series stays bounded."""
    for outcome in OUTCOMES:
        _remove(REQUESTS, workload, version, outcome)
    _remove(SECONDS, workload, version)
    _remove(LOADED, workload, version)


def _remove(metric: Counter | Gauge | Histogram, *labels: str) -> None:
    try:
        metric.remove(*labels)
    except KeyError:  # never counted
        return
