"""Verdicts by a real Prometheus, which scrapes an exporter that serves what model servers and an energy meter do."""

from collections.abc import Iterator
from types import ModuleType

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from millrace.contracts.workload import ServingPolicy
from millrace.scoring.canary import judge
from millrace.serving.figures import UnmeasuredError
from millrace.serving.prometheus import PrometheusSource

SCRAPE_SECONDS = 1.0
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
NAMESPACE = "millrace-serving"
POLICY = ServingPolicy(max_joules_increase=0.25)


class Exporter:
    """What a server of each version and Kepler would say, by the names that they have there."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["workload", "version"]
        self.requests = Counter("millrace_requests", "", [*labels, "outcome"], registry=self.registry)
        self.seconds = Histogram("millrace_request_seconds", "", labels, registry=self.registry, buckets=BUCKETS)
        self.loaded = Gauge("millrace_version_loaded", "", labels, registry=self.registry)
        self.joules = Counter(
            "kepler_pod_cpu_joules", "", ["pod_namespace", "pod_name", "zone"], registry=self.registry
        )
        self.server, self.thread = start_http_server(0, "127.0.0.1", self.registry)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def serve(self, version: str) -> None:
        """A server of a version is up; its series begin at nothing."""
        self.loaded.labels("w", version).set(1)
        self.seconds.labels("w", version)
        for outcome in ("ok", "error"):
            self.requests.labels("w", version, outcome)

    def answer(self, version: str, count: int, seconds: float = 0.008, errors: int = 0, joules: float = 0.0) -> None:
        """It answered ``count`` requests, and erred at some more; its pod used ``joules`` in each of two zones."""
        for _ in range(count):
            self.seconds.labels("w", version).observe(seconds)
        self.requests.labels("w", version, "ok").inc(count)
        self.requests.labels("w", version, "error").inc(errors)
        if joules:
            for zone in ("package", "core"):
                self.joules.labels(NAMESPACE, f"w-{version}-5d4f-x7k2p", zone).inc(joules)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    exporter = Exporter()
    yield exporter
    exporter.server.shutdown()
    exporter.thread.join()


@pytest.fixture(scope="module")
def url(exporter: Exporter, replay: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    job = {"job_name": "servers", "static_configs": [{"targets": [exporter.address]}]}
    scrape = f"{SCRAPE_SECONDS:g}s"
    config = {"global": {"scrape_interval": scrape, "scrape_timeout": scrape}, "scrape_configs": [job]}
    with replay.server(tmp_path_factory.mktemp("prometheus"), yaml.safe_dump(config), _ready) as address:
        yield address


def _ready(url: str) -> bool:
    """Whether it has scraped once: it looks for targets some seconds after it has begun to answer."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": "up"}, trust_env=False)
        return answer.is_success and answer.json()["data"]["result"] != []
    except httpx.HTTPError:
        return False


@pytest.fixture
def source(url: str) -> PrometheusSource:
    return PrometheusSource(url, NAMESPACE, SCRAPE_SECONDS)


def test_a_version_is_judged_by_what_it_did_since_the_reading_began(
    exporter: Exporter, source: PrometheusSource
) -> None:
    exporter.serve("a-1")
    exporter.serve("a-2")
    source.begin("w", ("a-1", "a-2"))
    exporter.answer("a-2", 500, seconds=0.9, errors=400)  # an earlier step's
    reading = source.begin("w", ("a-1", "a-2"))
    exporter.answer("a-1", 40)
    exporter.answer("a-2", 60)
    canary, stable = reading.of("a-2"), reading.of("a-1")
    assert (canary.requests, canary.errors) == (60, 0)
    assert (stable.requests, stable.errors) == (40, 0)
    assert canary.p99_seconds is not None
    assert 0.005 < canary.p99_seconds <= 0.01
    assert canary.joules_per_request is None
    verdict = judge(POLICY, canary, stable)
    assert verdict.outcome == "pass"
    assert "joules per request are not measured, and so not judged" in verdict.reasons


def test_errors_and_a_slow_tail_fail(exporter: Exporter, source: PrometheusSource) -> None:
    for version in ("b-1", "b-2", "b-3"):
        exporter.serve(version)
    reading = source.begin("w", ("b-1", "b-2", "b-3"))
    exporter.answer("b-1", 100)
    exporter.answer("b-2", 90, errors=10)
    exporter.answer("b-3", 95)
    exporter.answer("b-3", 5, seconds=0.4)
    stable = reading.of("b-1")
    erring = judge(POLICY, reading.of("b-2"), stable)
    assert (erring.outcome, "requests erred" in erring.reasons[0]) == ("fail", True)
    slow = judge(POLICY, reading.of("b-3"), stable)
    assert (slow.outcome, "p99" in slow.reasons[0]) == ("fail", True)


@pytest.mark.parametrize(
    ("joules", "estimated", "outcome", "said"),
    [
        (60.0, False, "fail", "at most 25% more"),
        (44.0, False, "pass", "at most 25% more"),
        (60.0, True, "pass", "both estimated, and so not judged"),
    ],
)
def test_joules_per_request_are_judged_where_they_were_measured(
    exporter: Exporter, url: str, joules: float, estimated: bool, outcome: str, said: str
) -> None:
    source = PrometheusSource(url, NAMESPACE, SCRAPE_SECONDS, joules_are_estimated=estimated)
    old, new = f"c-{joules:g}-{estimated}-1".lower(), f"c-{joules:g}-{estimated}-2".lower()
    for version in (old, new):
        exporter.serve(version)
        exporter.answer(version, 1, joules=1e-9)
    reading = source.begin("w", (old, new))
    exporter.answer(old, 40, joules=40.0)
    exporter.answer(new, 40, joules=joules)
    verdict = judge(POLICY, reading.of(new), reading.of(old))
    assert verdict.outcome == outcome, verdict.reasons
    assert any(said in reason for reason in verdict.reasons), verdict.reasons
    (energy,) = [reason for reason in verdict.reasons if "J per request" in reason]
    assert f"{joules / 40:.4g} J per request, the stable version's 1 J" in energy, "one zone, and this version's pods"


def test_a_version_that_prometheus_does_not_scrape_is_not_judged(exporter: Exporter, source: PrometheusSource) -> None:
    exporter.serve("d-1")
    with pytest.raises(UnmeasuredError, match="no server of version d-2"):
        source.begin("w", ("d-1", "d-2"))


def test_a_query_that_prometheus_refuses_is_said(exporter: Exporter, url: str) -> None:
    exporter.serve("e-1")
    wrong = PrometheusSource(url, NAMESPACE, SCRAPE_SECONDS, joules="sum(")
    reading = wrong.begin("w", ("e-1",))
    with pytest.raises(UnmeasuredError, match=r"refuses sum\("):
        reading.of("e-1")


def test_a_prometheus_that_is_away_is_said_without_its_password() -> None:
    with pytest.raises(UnmeasuredError, match="does not answer: ConnectError") as caught:
        PrometheusSource("http://me:secret@127.0.0.1:9", NAMESPACE).begin("w", ("a",))
    assert "secret" not in str(caught.value)
