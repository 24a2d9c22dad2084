"""Energy balance of a node: joules of runs, serving, the rest, and idle capacity without a reservation."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from millrace.energy.prometheus import GAP_SCRAPES, Prometheus, Sample, gpu_watts, of_counter, of_gauge
from millrace.settings import Settings

Rule = Callable[[Sequence[Sample], float, float, float], tuple[float, float]]
_SYSTEM, _NOBODY = "system", "unallocated"


@dataclass(frozen=True)
class EnergyBalance:
    """Joules of one node in a window by owner: active as drawn, idle as reserved (GPUs: idle without a pod).

    ``node_joules`` is the node's meter, None without one; ``gap`` is the share of it that no part explains, negative if
    the parts exceed the meter.
    """

    active_joules: dict[str, float]
    idle_joules: dict[str, float]
    node_joules: float | None

    @property
    def joules(self) -> float:
        """The sum of all parts."""
        return math.fsum([*self.active_joules.values(), *self.idle_joules.values()])

    @property
    def gap(self) -> float | None:
        """The unexplained share; None without a node's meter."""
        return 1 - self.joules / self.node_joules if self.node_joules else None


@dataclass(frozen=True)
class NodeMeters:
    """Kepler, dcgm-exporter and kube-state-metrics through a Prometheus; ``owners`` maps namespaces to their purpose.

    ``node_watts`` is a gauge of the whole node (IPMI, Redfish), a selector with ``{node}``; without it the node's total
    is Kepler's CPUs plus dcgm-exporter's GPUs.
    """

    prometheus: Prometheus
    owners: dict[str, str]
    scrape_seconds: float = 30.0
    node_watts: str = ""

    def energy_balance(self, node: str, begin: float, end: float) -> EnergyBalance:
        """Return the balance from ``begin`` to ``end`` (Unix seconds). Raises PrometheusError."""

        def read(rule: Rule, selector: str, *keys: str) -> dict[tuple[str, ...], float]:
            found: dict[tuple[str, ...], float] = {}
            for series in self.prometheus.samples(selector, begin, end):
                key = tuple(series.labels.get(label, "") for label in keys)
                joules = rule(series.samples, begin, end, GAP_SCRAPES * self.scrape_seconds)[0]
                # two scrapers may export the same meter
                found[key] = max(found.get(key, 0.0), joules)
            return found

        here = f'node="{node}",zone="package"'
        active = read(of_counter, f"kepler_pod_cpu_joules_total{{{here}}}", "pod_namespace", "pod_name")
        total = math.fsum(read(of_counter, f"kepler_node_cpu_joules_total{{{here}}}", "node").values())
        idle = math.fsum(read(of_counter, f"kepler_node_cpu_idle_joules_total{{{here}}}", "node").values())
        requested = f'kube_pod_container_resource_requests{{resource="cpu",node="{node}"}}'
        asked = read(of_gauge, requested, "namespace", "pod", "container")
        cores = math.fsum(
            read(of_gauge, f'kube_node_status_allocatable{{resource="cpu",node="{node}"}}', "node").values()
        )
        boards = read(of_gauge, gpu_watts(f'Hostname="{node}"'), "UUID", "namespace")
        drawn = self._by_owner((namespace, joules) for (namespace, _), joules in active.items())
        # a reservation for part of the window counts for that part
        shares = ((key[0], core_seconds / cores) for key, core_seconds in asked.items() if cores)
        idled = self._by_owner((namespace, idle * share) for namespace, share in shares)
        idled[_NOBODY] = max(0.0, idle - math.fsum(idled.values()))
        for (_, namespace), joules in boards.items():
            part = drawn if namespace else idled
            owner = self._owner(namespace) if namespace else _NOBODY
            part[owner] = part.get(owner, 0.0) + joules
        whole: float | None = total + math.fsum(boards.values()) if total else None
        if self.node_watts:
            metered = read(of_gauge, self.node_watts.format(node=node), "instance")
            whole = math.fsum(metered.values()) or None
        return EnergyBalance(drawn, idled, whole)

    def _owner(self, namespace: str) -> str:
        return self.owners.get(namespace, _SYSTEM)

    def _by_owner(self, parts: Iterable[tuple[str, float]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for namespace, joules in parts:
            owner = self._owner(namespace)
            found[owner] = found.get(owner, 0.0) + joules
        return found


def node_meters(settings: Settings) -> NodeMeters | None:
    """Return the meters for a node's balance; None if no Prometheus is set."""
    if not settings.prometheus_url:
        return None
    owners: dict[str, str] = {}
    for each in settings.clusters():
        owners |= {each.namespace: "runs", each.spark_namespace: "runs", each.serving_namespace: "serving"}
    prometheus, scrape_seconds = Prometheus(settings.prometheus_url), settings.prometheus_scrape_seconds
    return NodeMeters(prometheus, owners, scrape_seconds, settings.prometheus_node_watts)


def table(found: EnergyBalance) -> list[str]:
    """Return one line per owner, and the gap between the parts and the node's meter."""
    owners = sorted({*found.active_joules, *found.idle_joules})
    lines = [f"{'':14} {'active Wh':>12} {'idle Wh':>12}"]
    for owner in owners:
        active, idle = found.active_joules.get(owner, 0.0), found.idle_joules.get(owner, 0.0)
        lines.append(f"{owner:14} {active / 3600:12,.2f} {idle / 3600:12,.2f}")
    if found.node_joules is None or found.gap is None:
        return [*lines, "the node's meter has no sample in the window: the sum closes against nothing"]
    return [*lines, f"{'node meter':14} {found.node_joules / 3600:12,.2f} Wh; {found.gap:+.2%} of it is in no line"]
