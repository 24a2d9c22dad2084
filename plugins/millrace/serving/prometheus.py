"""Metrics of a version from Prometheus: errors and p99 from the servers, joules from the exporter that meters pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from millrace.energy.prometheus import Prometheus, PrometheusError
from millrace.serving.figures import Reading, UnmeasuredError
from millrace.serving.manifests import service_name
from millrace.storage.polling import poll

# Kepler (0.10 and later): joules of a pod. Zones overlap, so only one of them may be summed.
_KEPLER_PODS = 'kepler_pod_cpu_joules_total{pod_namespace="$namespace",pod_name=~"$pods",zone="package"}[$window]'
KEPLER_JOULES = f"sum(max_over_time({_KEPLER_PODS}) - min_over_time({_KEPLER_PODS}))"
_LATE_SCRAPES = 4
_LOOKS_A_SCRAPE = 10


@dataclass(frozen=True)
class PrometheusFigures:
    """See canary.Measured."""

    requests: float
    errors: float
    p99_seconds: float | None
    joules_per_request: float | None
    joules_are_estimated: bool

    def slower_than(self, seconds: float) -> None:
        """Return None: a histogram has no single answers."""


@dataclass(frozen=True)
class PrometheusSource:
    """Source that queries the Prometheus at ``url``, which scrapes the servers every ``scrape_seconds``.

    ``joules`` is a query for a version's joules with the placeholders ``$namespace``, ``$pods`` (a pattern) and
    ``$window``. A reading begins with a scrape of every server and ends with another one; UnmeasuredError is raised if
    a scrape is missing after four times ``scrape_seconds``.
    """

    url: str
    namespace: str
    scrape_seconds: float = 30.0
    joules: str = KEPLER_JOULES
    joules_are_estimated: bool = False

    def begin(self, workload: str, versions: Sequence[str]) -> Reading:
        """See figures.Source. Waits for the scrape at which the reading begins."""
        began_at = self._now()
        for version in versions:
            self._await_scrape(workload, version, began_at)
        return _PrometheusReading(self, workload, began_at)

    def read(self, workload: str, version: str, began_at: float) -> PrometheusFigures:
        """Return a version's metrics since ``began_at`` (Unix seconds of Prometheus), after the next scrape.

        Raises UnmeasuredError if a server restarted meanwhile or Prometheus has no answer.
        """
        scraped_at = self._await_scrape(workload, version, self._now())
        window = f"{max(1, round((scraped_at - began_at) * 1000))}ms"
        chosen = f'workload="{workload}",version="{version}"'
        if self._ask(f"sum(resets(millrace_requests_total{{{chosen}}}[{window}]))", scraped_at):
            raise UnmeasuredError(f"a server of version {version} began anew meanwhile")
        counted = _grown(f"millrace_requests_total{{{chosen}}}[{window}]")
        erred = _grown(f'millrace_requests_total{{{chosen},outcome!="ok"}}[{window}]')
        buckets = _grown(f"millrace_request_seconds_bucket{{{chosen}}}[{window}]")
        requests = self._known(f"sum({counted})", scraped_at)
        errors = self._known(f"sum({erred}) or vector(0)", scraped_at)
        p99_seconds = self._ask(f"histogram_quantile(0.99, sum by (le) ({buckets}))", scraped_at)
        joules = self._ask(self._joules_query(workload, version, window), scraped_at)
        return PrometheusFigures(
            requests,
            errors,
            p99_seconds,
            joules / requests if joules is not None and requests else None,
            self.joules_are_estimated,
        )

    def _joules_query(self, workload: str, version: str, window: str) -> str:
        pods = f"{service_name(workload, version)}-[a-z0-9]+-[a-z0-9]+"
        return Template(self.joules).safe_substitute(namespace=self.namespace, pods=pods, window=window)

    def _await_scrape(self, workload: str, version: str, since: float) -> float:
        """Wait until every server of a version was scraped after ``since``; return Prometheus's time then."""
        query = f'min(timestamp(millrace_version_loaded{{workload="{workload}",version="{version}"}}))'
        late_seconds = _LATE_SCRAPES * self.scrape_seconds
        scraped_at = poll(
            lambda: self._ask(query),
            until=lambda at: at is not None and at >= since,
            every_seconds=self.scrape_seconds / _LOOKS_A_SCRAPE,
            at_most_seconds=late_seconds,
        )
        if scraped_at is None or scraped_at < since:
            found = "no server" if scraped_at is None else "not every server"
            raise UnmeasuredError(f"Prometheus scraped {found} of version {version} within {late_seconds:g} s")
        return self._now()

    def _now(self) -> float:
        return self._known("time()")

    def _known(self, query: str, at: float | None = None) -> float:
        value = self._ask(query, at)
        if value is None:
            raise UnmeasuredError(f"Prometheus has nothing for {query}")
        return value

    def _ask(self, query: str, at: float | None = None) -> float | None:
        try:
            return Prometheus(self.url).number(query, at)
        except PrometheusError as error:
            raise UnmeasuredError(str(error)) from error


def _grown(series: str) -> str:
    """Return a query for the growth of counters; ``increase`` would extrapolate beyond the samples."""
    return f"max_over_time({series}) - min_over_time({series})"


@dataclass(frozen=True)
class _PrometheusReading:
    source: PrometheusSource
    workload: str
    began_at: float

    def of(self, version: str) -> PrometheusFigures:
        return self.source.read(self.workload, version, self.began_at)
