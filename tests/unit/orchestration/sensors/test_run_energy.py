"""The sensor that keeps what meters saw: it waits in the triggerer, once for all runs, and stands beside them."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from millrace import settings
from millrace.contracts.measurement import MeteredJoules, MeterReading
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.orchestration.sensors.run_energy import RunEnergySensor
from millrace.orchestration.triggers.run_energy import RunEnergyTrigger
from millrace.telemetry.run_meters import RunMeters

CONTEXT: Any = {}


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ledger]:
    """Of a site with a Prometheus; one run has ended, another one goes on."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_PROMETHEUS_URL", "http://me:secret@127.0.0.1:9")
    settings.load_settings.cache_clear()
    ledger = settings.load_settings().ledger()
    ledger.migrate()
    for run_id in ("ended", "open"):
        ledger.open_run(
            "news", run_id, workload="news", team="t", site="s", run_type="manual",
            partition_first=date(2026, 1, 1), partition_last=date(2026, 1, 1),
        )  # fmt: skip
    ledger.close_run("news", "ended", 0, state="success", reason="served")
    key = TryKey(dag_id="news", run_id="ended", repeat=0, task_id="train", try_number=1)
    began = datetime.now(UTC) - timedelta(seconds=60)
    reading = MeterReading(started_at=began, wall_seconds=50, cpu_seconds=40, joules=500.0)
    ledger.commit_lost_try(key, reading, "pod:steps/news-train", "evicted")
    yield ledger
    settings.load_settings.cache_clear()


def sensor() -> RunEnergySensor:
    return RunEnergySensor(task_id="read")


def test_it_waits_for_the_scrape_after_the_last_end_without_a_worker_and_without_a_secret(ledger: Ledger) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        sensor().execute(CONTEXT)
    path, given = deferred.value.trigger.serialize()
    assert path == "millrace.orchestration.triggers.run_energy.RunEnergyTrigger"
    ended = datetime.fromisoformat(ledger.run_summary("news", "ended")[0]["finished_at"]).timestamp()
    assert given == {"at": ended + 60}


def test_it_keeps_the_joules_of_every_run_that_ended(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def read(_: RunMeters, tries: Any, gpu_steps: Any) -> MeteredJoules:
        seen.append([row["process_uid"] for row in tries])
        return MeteredJoules(joules=480.0, coverage=0.98, meter="kepler_pod_cpu_joules_total")

    monkeypatch.setattr(RunMeters, "read", read)
    assert sensor().record(CONTEXT, {"at": 0.0}) == "1 of 1 runs"
    assert seen == [["pod:steps/news-train"]]
    (row,) = ledger.run_energy("news", "ended")
    assert (row["joules"], row["metered_joules"], row["metered_coverage"]) == (500.0, 480.0, 0.98)
    with pytest.raises(AirflowSkipException, match="every run is metered"):
        sensor().execute(CONTEXT)


def test_a_prometheus_that_is_away_leaves_the_reason_and_is_asked_again(ledger: Ledger) -> None:
    assert sensor().record(CONTEXT, {"at": 0.0}) == "0 of 1 runs"
    (row,) = ledger.run_energy("news", "ended")
    assert "does not answer" in row["metered_reason"]
    assert [run["run_id"] for run in ledger.unmetered_runs()] == ["ended"]


def test_without_a_prometheus_there_is_nothing_to_do(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_PROMETHEUS_URL")
    settings.load_settings.cache_clear()
    with pytest.raises(AirflowSkipException, match="names no Prometheus"):
        sensor().execute(CONTEXT)


def test_the_trigger_fires_once() -> None:
    async def events() -> list[Any]:
        return [event.payload async for event in RunEnergyTrigger(5.0).run()]

    assert asyncio.run(events()) == [{"at": 5.0}]
