"""Which runs in flight a run waits for, or leaves the training to, by any schedule."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, CronDataIntervalTimetable

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.other_runs import earlier_in_flight, later_in_flight
from millrace.orchestration.schedules import days_of
from millrace.pipeline import build_dag
from millrace.runs.run import Run

MONDAY = date(2026, 3, 2)


class Airflow:
    """The DAG runs in flight, by their names and logical dates."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.workload = workload
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.logical_dates: set[datetime] = set()
        self.run_ids: set[str] = set()

    def get_dr_count(self, dag_id: str, states: list[str], logical_dates: Any = (), run_ids: Any = ()) -> int:
        assert len(logical_dates) + len(run_ids) <= 500, "a request that fits into a request"
        return len(self.logical_dates & set(logical_dates)) + len(self.run_ids & set(run_ids))

    def run(self, window: Window, run_id: str = "ours") -> Run:
        parameters = Parameters(epochs=1, batch_size=8, learning_rate=0.1)
        return Run(self.workload, parameters, window, "flowers", run_id, "backfill", 0, "file:///store")

    def opened(self, window: Window, run_id: str) -> None:
        self.ledger.open_run(
            "flowers", run_id, workload="flowers", team="t", site="local", partition_first=window.first,
            partition_last=window.last, run_type="backfill",
        )  # fmt: skip

    def context(self, schedule: Any) -> Any:
        dag = build_dag(self.workload, schedule=schedule)
        return {"dag": dag, "ti": SimpleNamespace(get_dr_count=self.get_dr_count)}


@pytest.fixture
def airflow(workload: Workload, tmp_path: Path) -> Airflow:
    return Airflow(workload, tmp_path)


def interval(begin: datetime, end: datetime) -> tuple[Window, datetime, str]:
    """A run's days, logical date and name."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.types import DagRunType

    name = DagRun.generate_run_id(run_type=DagRunType.BACKFILL_JOB, logical_date=begin, run_after=end)
    return days_of(begin, end, UTC), begin, name


def moment(day: date, hour: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


DAY, WEEK = timedelta(days=1), timedelta(days=7)
SCHEDULES: dict[str, tuple[str, Callable[[int], tuple[Window, datetime, str]]]] = {
    "daily": ("@daily", lambda n: interval(moment(MONDAY + n * DAY), moment(MONDAY + (n + 1) * DAY))),
    "at six": ("0 6 * * *", lambda n: interval(moment(MONDAY + n * DAY, 6), moment(MONDAY + (n + 1) * DAY, 6))),
    "weekly": ("0 0 * * 1", lambda n: interval(moment(MONDAY + n * WEEK), moment(MONDAY + (n + 1) * WEEK))),
    "every six hours": (
        "0 */6 * * *",
        lambda n: interval(moment(MONDAY + n * DAY, 6), moment(MONDAY + n * DAY, 12)),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_run_waits_for_earlier_ones_in_flight_and_leaves_the_training_to_later_ones(
    airflow: Airflow, name: str
) -> None:
    cron, slot = SCHEDULES[name]
    context = airflow.context(cron)
    ours = airflow.run(slot(0)[0])
    assert earlier_in_flight(ours, airflow.ledger, context) == later_in_flight(ours, airflow.ledger, context, {}) == 0
    airflow.logical_dates, airflow.run_ids = {slot(0)[1], slot(1)[1]}, {slot(0)[2], slot(-1)[2]}
    assert earlier_in_flight(ours, airflow.ledger, context) == later_in_flight(ours, airflow.ledger, context, {}) == 0
    airflow.logical_dates, airflow.run_ids = {slot(-1)[1], slot(-3)[1]}, {slot(1)[2], slot(2)[2]}
    assert earlier_in_flight(ours, airflow.ledger, context) == 2
    assert later_in_flight(ours, airflow.ledger, context, {}) == 2


def test_a_run_whose_days_are_settled_is_not_waited_for(airflow: Airflow) -> None:
    cron, slot = SCHEDULES["weekly"]
    context = airflow.context(cron)
    airflow.logical_dates = {slot(-1)[1]}
    airflow.opened(slot(-1)[0], "last week")
    assert earlier_in_flight(airflow.run(slot(0)[0]), airflow.ledger, context) == 1
    # all seven days, by its end
    airflow.ledger.close_run("flowers", "last week", 0, state="failed", reason="r")
    assert earlier_in_flight(airflow.run(slot(0)[0]), airflow.ledger, context) == 0


@pytest.mark.parametrize("schedule", [Asset("upstream"), CronDataIntervalTimetable("@hourly", timezone="UTC")])
def test_a_question_to_airflow_has_bounds(airflow: Airflow, schedule: Any) -> None:
    ours = airflow.run(Window(first=MONDAY, last=MONDAY))
    context = airflow.context(schedule)
    assert earlier_in_flight(ours, airflow.ledger, context) == later_in_flight(ours, airflow.ledger, context, {}) == 0


def test_of_a_schedule_that_only_airflow_can_tell_the_ledger_knows_the_runs_that_have_begun(airflow: Airflow) -> None:
    context = airflow.context(Asset("upstream"))
    ours = airflow.run(Window(first=MONDAY, last=MONDAY))
    for name, day in {"earlier": MONDAY - DAY, "ours": MONDAY, "later": MONDAY + DAY}.items():
        airflow.opened(Window(first=day, last=day), name)
    assert earlier_in_flight(ours, airflow.ledger, context) == 0, "Airflow knows none of them"
    airflow.run_ids = {"earlier", "ours", "later"}
    assert earlier_in_flight(ours, airflow.ledger, context) == 1
    assert later_in_flight(ours, airflow.ledger, context, {}) == 1
    airflow.ledger.close_run("flowers", "earlier", 0, state="failed", reason="r")
    assert earlier_in_flight(ours, airflow.ledger, context) == 0
