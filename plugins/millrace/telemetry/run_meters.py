"""A run's joules as meters measured its pods: CPUs by Kepler, GPUs by dcgm-exporter, through a Prometheus."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from millrace.contracts.measurement import MeteredJoules
from millrace.energy.prometheus import (
    Metered,
    MeteredEnergy,
    MeterQuery,
    Prometheus,
    PrometheusError,
    gpu_queries,
    gpu_watts,
)
from millrace.settings import Settings

if TYPE_CHECKING:
    from millrace.ledger.database import Row  # SQLAlchemy takes half of the command's start-up time

# One zone only: Kepler's zones overlap.
_CPU = 'kepler_pod_cpu_joules_total{{pod_namespace="{namespace}",pod_name="{pod}",zone="package"}}'
_OF_POD = 'namespace="{namespace}",pod="{pod}"'
_TENSOR, _MEMORY = "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_PROF_DRAM_ACTIVE"
_POD = re.compile(r"pod:(?P<namespace>[a-z0-9-]+)/(?P<pod>[a-z0-9.-]+)\Z")


@dataclass(frozen=True)
class RunMeters:
    """The meters at a Prometheus. Unmeasured joules are unknown, with the reason; no method raises."""

    prometheus: Prometheus
    scrape_seconds: float = 30.0
    coverage_at_least: float = 0.95

    def read(self, tries: "Sequence[Row]", gpu_steps: Iterable[str] = ()) -> MeteredJoules:
        """Return the joules of a run's attempts, each from its pod's start to its end; ``gpu_steps`` have GPUs."""
        parts: list[tuple[Metered, float]] = []
        busy: dict[str, list[float]] = {_TENSOR: [], _MEMORY: []}
        for row in tries:
            pod = _POD.match(row["process_uid"])
            if row["started_at"] is None or row["wall_seconds"] is None:
                continue  # it used nothing, or its time is unknown
            if pod is None:
                return MeteredJoules(coverage=0.0, reason=f"{row['process_uid']} is no pod, and meters know pods")
            begin = datetime.fromisoformat(row["started_at"]).timestamp()
            end = begin + row["wall_seconds"]
            if row["step"] in set(gpu_steps):
                for name, shown in busy.items():
                    shown += self._shown(f"{name}{{{_OF_POD.format(**pod.groupdict())}}}", begin, end)
            for metered in self._of_pod(pod.groupdict(), begin, end, row["step"] in set(gpu_steps)):
                parts.append((metered, end - begin))
        activity = {"tensor_active": _mean(busy[_TENSOR]), "gpu_memory_active": _mean(busy[_MEMORY])}
        return _together(parts).model_copy(update=activity)

    def _shown(self, selector: str, begin: float, end: float) -> list[float]:
        """Return every sample between 0 and 1 of a gauge, over all GPUs; scrapes are evenly spaced."""
        try:
            found = self.prometheus.samples(selector, begin, end)
        except PrometheusError:
            return []
        return [value for series in found for _, value in series.samples if 0 <= value <= 1]

    def _of_pod(self, pod: dict[str, str], begin: float, end: float, gpus: bool) -> list[Metered]:
        found = [self._by((MeterQuery("counter", _CPU.format(**pod)),), begin, end)]
        if gpus:
            shared = self._shared(pod, begin, end)
            queries = gpu_queries(_OF_POD.format(**pod))
            found.append(Metered(None, 0.0, None, shared) if shared else self._by(queries, begin, end))
        return found

    def _by(self, queries: tuple[MeterQuery, ...], begin: float, end: float) -> Metered:
        return MeteredEnergy(self.prometheus, queries, self.scrape_seconds, self.coverage_at_least).read(begin, end)

    def _shared(self, pod: dict[str, str], begin: float, end: float) -> str | None:
        """Return why a GPU's watts are not this pod's alone: under time-slicing each pod reports all of them."""
        try:
            own = self.prometheus.samples(gpu_watts(_OF_POD.format(**pod)), begin, end)
            boards = sorted({series.labels["UUID"] for series in own if "UUID" in series.labels})
            if any(series.labels.get("GPU_I_ID") for series in own):
                return "a slice of a GPU (MIG) has no meter of its own"
            if not boards:
                return None
            all_pods = self.prometheus.samples(gpu_watts(f'UUID=~"{"|".join(boards)}"'), begin, end)
        except PrometheusError as error:
            return str(error)
        others = {name for series in all_pods if (name := series.labels.get("pod")) and series.samples} - {pod["pod"]}
        return f"its GPU was shared with {len(others)} other pods" if others else None


def run_meters(settings: Settings) -> RunMeters | None:
    """Return the meters for the joules of ended runs' pods; None if no Prometheus is set."""
    if not settings.prometheus_url:
        return None
    return RunMeters(Prometheus(settings.prometheus_url), settings.prometheus_scrape_seconds)


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _together(parts: Sequence[tuple[Metered, float]]) -> MeteredJoules:
    """Return the sum, unknown if one part is unknown. Coverage is the mean weighted by time."""
    seconds = math.fsum(lasted for _, lasted in parts)
    if not seconds:
        return MeteredJoules(coverage=0.0, reason="no pod of the run did anything")
    coverage = min(1.0, math.fsum(metered.coverage * lasted for metered, lasted in parts) / seconds)
    reasons = [metered.reason or "unknown" for metered, _ in parts if metered.joules is None]
    if reasons:
        return MeteredJoules(coverage=coverage, reason=reasons[0])
    meters = sorted({metered.query.selector.partition("{")[0] for metered, _ in parts if metered.query})
    joules = math.fsum(metered.joules or 0.0 for metered, _ in parts)
    return MeteredJoules(joules=joules, coverage=coverage, meter=", ".join(meters))
