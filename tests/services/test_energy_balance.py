"""A node's joules close against its meter, by a real Prometheus that replays an hour of a node with pods."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from millrace.energy.prometheus import Prometheus
from millrace.telemetry.energy_balance import NodeMeters, table

BEGIN, SECONDS, SCRAPE = 1_715_341_000.0, 3600, 30
IDLE_WATTS, CORES = 80.0, 16
# namespace, pod, watts, cores that it asks for, and the part of the hour in which it is there
PODS = (
    ("millrace-steps", "train", 60.0, 8, (0, 3600)),
    ("millrace-steps", "ingest", 10.0, 1, (600, 1200)),
    ("millrace-serving", "news", 5.0, 2, (0, 3600)),
    ("kube-system", "etcd", 3.0, 0, (0, 3600)),
)
OWNERS = {"millrace-steps": "runs", "millrace-serving": "serving"}


@pytest.fixture(scope="module")
def url(replay: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    times = range(0, SECONDS + 1, SCRAPE)
    families: dict[str, list[str]] = {}

    def show(family: str, kind: str, labels: str, at: float, value: float) -> None:
        name = family + ("_total" if kind == "counter" else "")
        families.setdefault(f"# TYPE {family} {kind}", []).append(f"{name}{{{labels}}} {value} {BEGIN + at}")

    active = 0.0
    for at in times:
        running = [pod for pod in PODS if pod[4][0] <= at <= pod[4][1]]
        for scraper in ("a", "b"):
            node = f'node="n1",zone="package",job="{scraper}"'
            show("kepler_node_cpu_joules", "counter", node, at, 7_000 + active + IDLE_WATTS * at)
            show("kepler_node_cpu_idle_joules", "counter", node, at, 7_000 + IDLE_WATTS * at)
        for namespace, pod, watts, cores, (first, _) in running:
            labels = f'{node},pod_namespace="{namespace}",pod_name="{pod}"'
            show("kepler_pod_cpu_joules", "counter", labels, at, watts * (at - first))
            asked = f'node="n1",resource="cpu",namespace="{namespace}",pod="{pod}",container="base"'
            show("kube_pod_container_resource_requests", "gauge", asked, at, cores)
        show("kube_node_status_allocatable", "gauge", 'node="n1",resource="cpu"', at, CORES)
        for uuid, namespace, watts in (("GPU-1", "millrace-steps", 300.0), ("GPU-2", "", 25.0)):
            owner = f',namespace="{namespace}",pod="train"' if namespace else ""
            show("DCGM_FI_DEV_POWER_USAGE", "gauge", f'Hostname="n1",UUID="{uuid}"{owner}', at, watts)
        on = sum(pod[2] for pod in PODS if pod[4][0] <= at < pod[4][1])
        show("ipmi_watts", "gauge", 'instance="n1"', at, (IDLE_WATTS + on + 325) * 1.1)
        active += on * SCRAPE
    home = tmp_path_factory.mktemp("node")
    lines = [line for head, samples in families.items() for line in (head, *samples)]
    (home / "metrics").write_text("\n".join([*lines, "# EOF", ""]))
    with replay.prometheus(home, home / "metrics") as address:
        yield address


def test_runs_serving_and_what_nobody_reserved_close_against_the_node(url: str) -> None:
    found = NodeMeters(Prometheus(url), OWNERS, SCRAPE).energy_balance("n1", BEGIN, BEGIN + SECONDS)
    assert found.active_joules["runs"] == pytest.approx(60 * 3600 + 10 * 600 + 300 * 3600, rel=0.005)
    assert found.active_joules["serving"] == pytest.approx(5 * 3600)
    assert found.active_joules["system"] == pytest.approx(3 * 3600)
    idle = IDLE_WATTS * SECONDS
    assert found.idle_joules["serving"] == pytest.approx(idle * 2 / CORES)
    assert found.idle_joules["runs"] == pytest.approx(idle * (8 * 3600 + 600) / CORES / 3600, rel=0.01)
    assert found.idle_joules["unallocated"] > 25 * 3600
    assert found.gap is not None
    assert abs(found.gap) <= 0.01


def test_what_only_the_nodes_own_meter_sees_is_in_no_line_and_said(url: str) -> None:
    meters = NodeMeters(Prometheus(url), OWNERS, SCRAPE, 'ipmi_watts{{instance="{node}"}}')
    found = meters.energy_balance("n1", BEGIN, BEGIN + SECONDS)
    assert found.gap == pytest.approx(1 - 1 / 1.1, abs=0.005)
    assert "% of it is in no line" in table(found)[-1]


def test_a_node_that_no_meter_knows_closes_against_nothing(url: str) -> None:
    found = NodeMeters(Prometheus(url), OWNERS, SCRAPE).energy_balance("n2", BEGIN, BEGIN + SECONDS)
    assert (found.node_joules, found.gap, found.joules) == (None, None, 0.0)
    assert "closes against nothing" in table(found)[-1]
