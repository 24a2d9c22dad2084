"""What held a training up, by what was measured of it."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from millrace import settings
from millrace.cli.app import app
from millrace.contracts.measurement import Hardware, MeteredJoules, MeterReading, PhaseReading
from millrace.contracts.run_spec import TryKey
from millrace.telemetry.utilisation import Utilisation, describe, of_run

HARDWARE = Hardware(
    name="h", cores=4, gflops_per_core=50, idle_watts_per_core=1, active_watts_per_core=5, memory_bytes=2**33,
    disk_bytes_per_second=1e8,
)  # fmt: skip


def tried(step: str = "train", cpu: float = 380.0, written: int | None = 0) -> dict[str, Any]:
    return {"step": step, "wall_seconds": 100.0, "cpu_seconds": cpu, "written_bytes": written}


def loading(seconds: float) -> list[dict[str, Any]]:
    return [{"step": "train", "phase": "load", "wall_seconds": seconds}]


def gpus(tensor: float, memory: float) -> dict[str, Any]:
    return {"tensor_active": tensor, "gpu_memory_active": memory}


@pytest.mark.parametrize(
    ("cpu", "load", "written", "metered", "expected"),
    [
        (380.0, 5.0, 0, None, "compute"),
        (120.0, 60.0, 0, None, "input"),
        (100.0, 5.0, 0, None, None),
        (100.0, 5.0, 8_000_000_000, None, "disk"),
        (100.0, 5.0, 0, gpus(0.6, 0.4), "compute"),
        (100.0, 5.0, 0, gpus(0.4, 0.7), "memory_bandwidth"),
        (390.0, 5.0, 0, gpus(0.1, 0.1), "input"),
        (100.0, 5.0, 0, gpus(0.1, 0.1), "launch"),
    ],
)
def test_the_busiest_part_is_named(cpu: float, load: float, written: int, metered: Any, expected: str | None) -> None:
    found = of_run([tried("ingest"), tried(cpu=cpu, written=written)], loading(load), HARDWARE, metered)
    assert found is not None
    assert found.bottleneck == expected
    assert found.processor == pytest.approx(cpu / 400)


def test_what_is_unknown_stays_so() -> None:
    found = of_run([tried(written=None)], [], HARDWARE, None)
    assert found == Utilisation(processor=0.95, loading=None, disk=None, tensor=None, gpu_memory=None)
    assert describe(found, "launch") == "bound by compute (predicted: launch); cores 95%"
    assert of_run([tried("ingest")], [], HARDWARE, None) is None


def test_the_command_prints_accounts_phases_and_what_meters_saw(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    ledger = settings.load_settings().ledger()
    ledger.migrate()
    day = date(2026, 1, 1)
    ledger.open_run(
        "news", "r", workload="news", team="t", site="s", run_type="manual", partition_first=day, partition_last=day,
        pue=2.0,
    )  # fmt: skip
    phase = PhaseReading(phase="load", wall_seconds=4, cpu_seconds=1, joules=40.0, idle_joules=10.0)
    reading = MeterReading(
        started_at=datetime(2026, 1, 1, tzinfo=UTC), wall_seconds=5, cpu_seconds=2, joules=50.0, idle_joules=20.0,
        phases=(phase,),
    )  # fmt: skip
    key = TryKey(dag_id="news", run_id="r", repeat=0, task_id="train", try_number=1)
    ledger.commit_lost_try(key, reading, "pod:n/p", "evicted")
    ledger.record_metered("news", "r", 0, MeteredJoules(coverage=0.0, reason="no sample"))
    said = CliRunner().invoke(app, ["ledger", "energy", "news", "r"])
    settings.load_settings.cache_clear()
    assert said.output.splitlines() == [
        "repeat 0: active 30 J, idle 20 J, joules 50 J, facility 100 J",
        "  meters: no sample",
        "  train     load             4.0 s  40 J",
    ]
