"""Which run of a backfill trains."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.admission import admission
from millrace.policies.newest_run import newest_run
from millrace.policies.ruling import Allow
from millrace.runs.run import Run
from millrace.settings import load_settings

DAY = date(2026, 3, 2)


@pytest.fixture
def may_train(workload: Workload, tmp_path: Path) -> Callable[..., bool]:
    """Whether the run of a day may, while Airflow has these runs in flight."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()

    def may_train(run_id: str, in_flight: list[str]) -> bool:
        def get_dr_count(dag_id: str, run_ids: list[str], states: list[str]) -> int:
            return len(set(run_ids) & set(in_flight))

        parameters = Parameters(epochs=1, batch_size=8, learning_rate=0.1)
        run = Run(workload, parameters, Window(first=DAY, last=DAY), "flowers", run_id, "backfill", 1, "file:///store")
        context: Any = {"ti": SimpleNamespace(get_dr_count=get_dr_count)}
        return isinstance(newest_run(admission(run, ledger, load_settings(), context)), Allow)

    return may_train


def name(day: date) -> str:
    """Airflow's name for a backfill's run of a day."""
    from airflow.models.dagrun import DagRun
    from airflow.timetables.base import DagRunInfo
    from airflow.utils.types import DagRunType

    start = pendulum.datetime(day.year, day.month, day.day)
    info = DagRunInfo.interval(start, start + timedelta(days=1))
    return DagRun.generate_run_id(
        run_type=DagRunType.BACKFILL_JOB, logical_date=info.logical_date, run_after=info.run_after
    )


@pytest.mark.parametrize("run_id", [name(DAY), f"scheduled__{DAY}T00:00:00+00:00", "manual__x_Ab12", "by hand"])
def test_the_newest_run_of_a_backfill_trains_whatever_its_name_was_before(
    may_train: Callable[..., bool], run_id: str
) -> None:
    assert not may_train(run_id, [name(DAY + timedelta(days=2))])
    assert may_train(run_id, [name(DAY), name(DAY - timedelta(days=1))])
