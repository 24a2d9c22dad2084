"""The sensor that waits for earlier days looks, and does no more."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace import settings
from millrace.contracts.workload import Workload
from millrace.ledger.database import Database
from millrace.orchestration.sensors.earlier_partitions import EarlierPartitionsSensor
from millrace.settings import load_settings


@pytest.fixture
def waiting(
    workload: Workload, task_context: Callable[[str], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """A run that the ledger has, of the day after one that a run in flight has not published."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    ledger = load_settings().ledger()
    ledger.migrate()
    context = task_context("await_earlier_partitions")
    dag_run = context["dag_run"]
    for run_id, day in ((dag_run.run_id, dag_run.data_interval_start.date()), ("earlier", date(2025, 12, 31))):
        ledger.open_run(
            dag_run.dag_id, run_id, workload=workload.name, team="t", site="local", partition_first=day,
            partition_last=day, run_type="manual", quality_metric="micro_f1",
        )  # fmt: skip
    context["ti"].get_dr_count = lambda dag_id, states, logical_dates=(), run_ids=(): 1
    context["dag"] = None
    yield context
    settings.load_settings.cache_clear()


def test_a_look_writes_nothing(workload: Workload, waiting: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = EarlierPartitionsSensor(task_id="await_earlier_partitions", workload=workload)

    def written(_: Database) -> None:
        raise AssertionError("the sensor opened a transaction that writes")

    monkeypatch.setattr(Database, "write", written)
    assert sensor.poke(waiting) is False
    waiting["ti"].get_dr_count = lambda **_: 0
    assert sensor.poke(waiting) is True
