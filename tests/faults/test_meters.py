"""Meters that fail: F18 and F19 of the catalogue of faults, with a real Prometheus that replays what meters showed."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
from matrix.airflow_env import AirflowEnv
from matrix.task import DAG, RUN_ID

from millrace.contracts.measurement import MeteredJoules
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import Quality, ServingCost
from millrace.contracts.workload import GatePolicy
from millrace.energy.prometheus import Prometheus
from millrace.serving.gate import judge
from millrace.telemetry.run_meters import RunMeters

pytestmark = pytest.mark.timeout(300)
BEGIN = 1_715_341_000.0
SECONDS = 600.0
SCRAPE = 15
WATTS = 100.0
AWAY = "http://me:secret@127.0.0.1:9"
Sample = tuple[float, float]


def counted(begin: float = BEGIN, shown: float = 5_000.0) -> list[Sample]:
    """A counter in joules, scraped from a minute before the pod to a minute after it."""
    times = [begin + at for at in range(-60, int(SECONDS) + 61, SCRAPE)]
    return [(at, shown + WATTS * (at - times[0])) for at in times]


def reset(samples: list[Sample]) -> list[Sample]:
    """The node was restarted in the middle: the counter begins at nothing."""
    half = samples[len(samples) // 2][1]
    return [(at, value if value < half else value - half) for at, value in samples]


def moved(samples: list[Sample], seconds: float) -> list[Sample]:
    """The same by a clock that goes ahead."""
    return [(at + seconds, value) for at, value in samples]


def holed(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if not BEGIN + 150 < sample[0] < BEGIN + 450]


CPU: dict[str, list[list[Sample]]] = {
    "whole": [counted()],
    "reset": [reset(counted())],
    "gap-in-a-counter": [holed(counted())],
    # two scrapers of one exporter, whose clocks differ: merged, the counter would seem to go back at every scrape
    "two-scrapers": [counted(), moved(counted(shown=5_000.0 + 20 * WATTS), 3.0)],
    "clock-ahead-a-little": [moved(counted(), 20.0)],
    "clock-ahead-by-far": [moved(counted(), SECONDS * 2)],
    "gpu-gap": [counted()],
    "gpu-shared": [counted()],
    "gpu-shared-too": [counted()],
    "gpu-slice": [counted()],
    "gpu-alone": [counted()],
}
GPU: dict[str, tuple[str, str, list[Sample]]] = {
    "gpu-alone": ("GPU-1", "", [(at, 300.0) for at, _ in counted()]),
    "gpu-gap": ("GPU-2", "", holed([(at, 300.0) for at, _ in counted()])),
    "gpu-shared": ("GPU-3", "", [(at, 300.0) for at, _ in counted()]),
    "gpu-shared-too": ("GPU-3", "", [(at, 300.0) for at, _ in counted()]),
    "gpu-slice": ("GPU-4", "7", [(at, 300.0) for at, _ in counted()]),
}


@pytest.fixture(scope="module")
def url(replay: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that was given all of it."""
    lines = ["# TYPE kepler_pod_cpu_joules counter"]
    for pod, series in CPU.items():
        for number, samples in enumerate(series):
            named = f'pod_namespace="millrace-steps",pod_name="{pod}",zone="package",node="n",job="{number}"'
            lines += [f"kepler_pod_cpu_joules_total{{{named}}} {value} {at}" for at, value in samples]
    lines.append("# TYPE DCGM_FI_PROF_PIPE_TENSOR_ACTIVE gauge")
    alone = 'namespace="millrace-steps",pod="gpu-alone",UUID="GPU-1"'
    lines += [f"DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{{{alone}}} 0.45 {at}" for at, _ in counted()]
    lines.append("# TYPE DCGM_FI_DEV_POWER_USAGE gauge")
    for pod, (uuid, part, samples) in GPU.items():
        named = f'namespace="millrace-steps",pod="{pod}",UUID="{uuid}"' + (f',GPU_I_ID="{part}"' if part else "")
        lines += [f"DCGM_FI_DEV_POWER_USAGE{{{named}}} {value} {at}" for at, value in samples]
    home = tmp_path_factory.mktemp("meters")
    (home / "metrics").write_text("\n".join([*lines, "# EOF", ""]))
    with replay.prometheus(home, home / "metrics") as address:
        yield address


def read(url: str, pod: str) -> MeteredJoules:
    tried: dict[str, Any] = {
        "process_uid": f"pod:millrace-steps/{pod}",
        "step": "train",
        "started_at": datetime.fromtimestamp(BEGIN, UTC).isoformat(timespec="microseconds"),
        "wall_seconds": SECONDS,
    }
    meters = RunMeters(Prometheus(url), SCRAPE)
    return meters.read([tried], ("train",) if pod in GPU else ())


@pytest.mark.parametrize("pod", ["whole", "gap-in-a-counter", "two-scrapers", "reset", "clock-ahead-a-little"])
def test_f19_a_counters_gap_reset_skew_or_second_series_changes_a_runs_joules_by_less_than_a_scrape(
    url: str, pod: str
) -> None:
    """F19: whatever a counter suffers, its run's joules are right to a scrape or unknown, and never negative."""
    found = read(url, pod)
    assert found.joules == pytest.approx(WATTS * SECONDS, abs=WATTS * SCRAPE * 1.5)
    assert found.coverage >= 0.95
    assert found.meter == "kepler_pod_cpu_joules_total"


@pytest.mark.parametrize(
    ("pod", "coverage", "reason"),
    [
        ("gpu-gap", 0.75, "covers 5.% of the window"),
        ("clock-ahead-by-far", 0.0, "no sample"),
        ("gpu-shared", 0.5, "shared with 1 other pods"),
        ("gpu-slice", 0.5, "no meter of its own"),
    ],
)
def test_f19_what_meters_did_not_see_or_cannot_tell_apart_is_unknown_with_the_reason(
    url: str, pod: str, coverage: float, reason: str
) -> None:
    """F19: too little coverage, a GPU that others use and a slice of one are NULL, with coverage and the reason."""
    found = read(url, pod)
    assert found.joules is None
    assert found.coverage == pytest.approx(coverage, abs=0.03)
    assert found.reason is not None
    assert re.search(reason, found.reason), found.reason


def test_f19_a_pods_processors_and_gpus_add_up(url: str) -> None:
    """F19's other side: where meters saw it all, the sum is theirs."""
    found = read(url, "gpu-alone")
    assert found.joules == pytest.approx((WATTS + 300) * SECONDS, rel=0.01)
    assert found.meter == "DCGM_FI_DEV_POWER_USAGE, kepler_pod_cpu_joules_total"
    assert found.tensor_active == pytest.approx(0.45)
    assert found.gpu_memory_active is None


def test_f18_a_prometheus_that_is_away_costs_a_run_its_metered_joules_and_nothing_else(
    airflow_env: AirflowEnv,
) -> None:
    """F18: training goes on without Prometheus; the run's metered joules are NULL, with coverage 0 and the reason."""
    for task in ("ingest", "validate", "size", "train"):
        airflow_env.expect(task, MILLRACE_PROMETHEUS_URL=AWAY)
    airflow_env.ledger.close_run(DAG, RUN_ID, 0, state="success", reason="trained")
    (row,) = airflow_env.ledger.run_summary(DAG, RUN_ID)
    assert row["measured_joules"] > 0
    (waiting,) = airflow_env.ledger.unmetered_runs()
    tries = [{**each, "process_uid": "pod:millrace-steps/p"} for each in airflow_env.ledger.tries(DAG, RUN_ID, 0)]
    found = RunMeters(Prometheus(AWAY)).read(tries)
    airflow_env.ledger.record_metered(waiting["dag_id"], waiting["run_id"], waiting["repeat"], found)
    (energy,) = airflow_env.ledger.run_energy(DAG, RUN_ID)
    assert (energy["metered_joules"], energy["metered_coverage"]) == (None, 0.0)
    assert "does not answer" in energy["metered_reason"]
    assert "secret" not in energy["metered_reason"]
    assert airflow_env.ledger.unmetered_runs() == [waiting], "it is asked again"


@pytest.mark.parametrize(("joules", "method"), [(None, None), (2.0, "estimated")])
def test_f18_a_gate_that_needs_energy_holds_a_candidate_whose_joules_nobody_measured(
    joules: float | None, method: str | None
) -> None:
    """F18: where a workload says that its gate needs energy, unknown or estimated joules are inconclusive."""
    candidate, live = (_quality(version, joules, method) for version in ("new", "old"))
    assert judge(GatePolicy(quality_floor=0.5), candidate, live).outcome == "pass"
    verdict = judge(GatePolicy(quality_floor=0.5, needs_energy=True), candidate, live)
    assert verdict.outcome == "inconclusive"
    assert "joules" in verdict.reasons[0]


def _quality(version: str, joules: float | None, method: str | None) -> Quality:
    return Quality(
        model=ModelVersion(workload="w", version=version, uri=f"file:///m/{version}", manifest_sha256="0" * 64),
        rows=500,
        micro_f1=0.9,
        macro_f1=0.9,
        calibration_error=0.1,
        labels=(),
        serving=ServingCost(
            requests=100,
            p50_latency_seconds=0.1,
            p99_latency_seconds=0.2,
            joules_per_request=joules,
            energy_method=method,
            peak_memory_bytes=1,
        ),
    )
