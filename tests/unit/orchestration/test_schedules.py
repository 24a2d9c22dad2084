"""Which days a run has, by its schedule; held against Airflow's own timetables where those can tell."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import CronDataIntervalTimetable, CronTriggerTimetable
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable as CoreInterval
from airflow.timetables.trigger import CronTriggerTimetable as CoreTrigger
from pydantic import ValidationError

from millrace.contracts.data import Window
from millrace.contracts.errors import BadInputError
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.orchestration import schedules
from millrace.pipeline import build_dag

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(first: str, last: str = "") -> Window:
    return Window(first=date.fromisoformat(first), last=date.fromisoformat(last or first))


def run(begin: str | None, end: str | None = None, **given: Any) -> Any:
    fields = {
        "data_interval_start": at(begin) if begin else None,
        "data_interval_end": at(end) if end else None,
        "run_after": at("2026-02-05T09:00"),
        "consumed_asset_events": [],
        "partition_key": None,
    }
    return SimpleNamespace(**fields | given)


def own(dag_run: Any, schedule: object = None, **given: Any) -> Window:
    parameters = Parameters(epochs=1, batch_size=8, learning_rate=0.1, **given)
    return schedules.window(dag_run, parameters, schedule)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("2026-02-02T00:00", "2026-02-03T00:00", days("2026-02-02")),
        ("2026-02-02T06:00", "2026-02-03T06:00", days("2026-02-02")),
        ("2026-02-06T06:00", "2026-02-09T06:00", days("2026-02-06", "2026-02-08")),
        ("2026-02-01T00:00", "2026-02-08T00:00", days("2026-02-01", "2026-02-07")),
        ("2026-02-01T00:00", "2026-03-01T00:00", days("2026-02-01", "2026-02-28")),
        ("2026-02-02T13:00", "2026-02-02T14:00", days("2026-02-02")),
        ("2026-02-02T23:00", "2026-02-03T00:00", days("2026-02-02")),
        ("2026-02-02T06:00", "2026-02-02T06:00", days("2026-02-01")),
        (None, None, days("2026-02-04")),
    ],
    ids=["daily", "at six", "over a weekend", "weekly", "monthly", "hourly", "last hour", "no interval", "by hand"],
)
def test_a_run_has_the_days_that_end_in_its_interval(begin: str | None, end: str | None, expected: Window) -> None:
    assert own(run(begin, end)) == expected


def test_days_begin_where_the_timetable_is() -> None:
    schedule = CronDataIntervalTimetable("@daily", timezone=BERLIN)
    assert own(run("2026-01-30T23:00", "2026-01-31T23:00"), schedule) == days("2026-01-31")
    assert own(run("2026-01-30T23:00", "2026-01-31T23:00")) == days("2026-01-30"), "in UTC it is another day"
    assert schedules.day_end(date(2026, 1, 31), schedules.zone(schedule)) == at("2026-01-31T23:00")


@pytest.mark.parametrize("cron", ["@daily", "0 6 * * *", "0 6 * * 1-5", "@weekly", "@monthly", "0 */6 * * *"])
def test_each_day_is_in_some_run_and_no_day_in_two_that_are_a_day_apart(cron: str) -> None:
    made = schedules.slots(CronDataIntervalTimetable(cron, timezone="UTC"), at("2026-01-01"), at("2026-06-01"))
    assert made is not None
    windows = [slot.window for slot in made]
    covered = [day for window in windows for day in window.days]
    assert sorted(set(covered)) == [covered[0] + timedelta(days=n) for n in range(len(set(covered)))]
    if cron != "0 */6 * * *":
        assert len(covered) == len(set(covered))


def test_parameters_come_first_then_an_event_then_a_key() -> None:
    event = SimpleNamespace(extra={"partition": "2026-01-31"}, partition_key=None)
    other = SimpleNamespace(extra={"partition": "2026-01-29"}, partition_key=None)
    keyed = SimpleNamespace(extra={}, partition_key="2026-01-20T00:00:00")
    assert own(run(None, consumed_asset_events=[event])) == days("2026-01-31")
    assert own(run(None, consumed_asset_events=[event, other])) == days("2026-01-29", "2026-01-31")
    assert own(run(None, consumed_asset_events=[keyed])) == days("2026-01-20")
    assert own(run(None, partition_key="2026-01-10")) == days("2026-01-10")
    assert own(run(None, partition_key="eu-west")) == days("2026-02-04")
    chosen = {"partition_from": date(2026, 1, 1), "partition_to": date(2026, 1, 2)}
    assert own(run(None, consumed_asset_events=[event]), **chosen) == days("2026-01-01", "2026-01-02")
    assert own(run("2026-02-01T00:00", "2026-02-08T00:00"), partition_from=date(2026, 2, 3)) == days(
        "2026-02-03", "2026-02-07"
    )


def test_an_event_that_names_no_day_is_refused_with_the_remedy() -> None:
    event = SimpleNamespace(extra={"partition": "yesterday"}, partition_key=None)
    with pytest.raises(ValueError, match="give its ISO date"):
        own(run(None, consumed_asset_events=[event]))
    with pytest.raises(ValidationError, match="before it begins"):
        own(run(None), partition_from=date(2026, 1, 2), partition_to=date(2026, 1, 1))


@pytest.mark.parametrize("place", ["UTC", BERLIN])
@pytest.mark.parametrize("cron", ["@daily", "0 6 * * 1-5", "@weekly", "30 2 1 * *", "@hourly"])
@pytest.mark.parametrize("kinds", [(CronDataIntervalTimetable, CoreInterval), (CronTriggerTimetable, CoreTrigger)])
def test_runs_have_the_dates_that_airflow_gives_them(kinds: Any, cron: str, place: str) -> None:
    ours, airflows = kinds[0](cron, timezone=place), kinds[1](cron, timezone=place)
    made = schedules.slots(ours, at("2026-01-05"), at("2026-02-20"))
    assert made is not None
    restriction = TimeRestriction(pendulum.datetime(2026, 1, 5), None, True)
    last = None
    for slot in made:
        info = airflows.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert (slot.logical_date, slot.run_after) == (info.logical_date, info.run_after)
        last = info.data_interval


def test_another_schedule_is_airflows_alone() -> None:
    assert schedules.slots(object(), at("2026-01-01"), at("2026-02-01")) is None


@pytest.mark.parametrize("wrong", ["daily", "@dayly", "61 * * * *", "* * *", "@once"])
def test_a_wrong_schedule_is_told_when_the_dag_is_built(workload: Workload, wrong: str) -> None:
    with pytest.raises(BadInputError, match="no cron expression") as told:
        build_dag(workload.model_copy(update={"schedule": wrong}))
    assert told.value.where == "workload.schedule"
    assert "@daily" in told.value.remedy
    with pytest.raises(BadInputError, match="no cron expression"):
        build_dag(workload, schedule=wrong)


def test_any_schedule_of_airflows_is_taken(workload: Workload) -> None:
    from airflow.sdk import Asset

    assert build_dag(workload, schedule="0 6 * * 1-5").timetable == CronDataIntervalTimetable("0 6 * * 1-5", "UTC")
    trigger = CronTriggerTimetable("@daily", timezone=BERLIN)
    assert build_dag(workload, schedule=trigger).timetable == trigger
    assert type(build_dag(workload, schedule=Asset("upstream")).timetable).__name__ == "AssetTriggeredTimetable"
    assert not build_dag(workload.model_copy(update={"schedule": None})).timetable.can_be_scheduled


def test_a_backfills_runs_have_their_days() -> None:
    weekly = CronDataIntervalTimetable("@weekly", timezone="UTC")
    assert schedules.windows(weekly, [at("2026-02-01"), at("2026-02-08")]) == [
        days("2026-02-01", "2026-02-07"),
        days("2026-02-08", "2026-02-14"),
    ]
    morning = CronDataIntervalTimetable("0 6 * * *", timezone=BERLIN)
    assert schedules.windows(morning, [at("2026-02-01T05:00")]) == [days("2026-02-01")]
    assert schedules.windows(morning, []) == []


@pytest.mark.parametrize(
    ("given", "has"),
    [(None, False), ("@daily", True), ("0 6 * * 1", True), ("asset", False), ("asset or time", True)],
)
def test_airflow_makes_backfills_of_schedules_by_time_alone(workload: Workload, given: str | None, has: bool) -> None:
    from airflow.sdk import Asset, AssetOrTimeSchedule

    daily = CronTriggerTimetable("@daily", timezone="UTC")
    made: Any = {"asset": Asset("a"), "asset or time": AssetOrTimeSchedule(timetable=daily, assets=[Asset("a")])}
    dag = build_dag(workload.model_copy(update={"schedule": None}), schedule=made.get(given, given))
    assert schedules.has_backfills(dag.timetable) == has


def test_asked_for_a_backfill_without_a_schedule_it_says_what_to_do(workload: Workload) -> None:
    from millrace.orchestration.backfill import backfill_windows

    dag = build_dag(workload.model_copy(update={"schedule": None}))
    with pytest.raises(BadInputError, match="no backfills of a DAG without a schedule") as told:
        backfill_windows(dag, [], {})
    assert 'schedule="@daily"' in told.value.remedy
    assert "partition_from" in told.value.remedy
