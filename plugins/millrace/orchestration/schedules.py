"""The days of a run, for any schedule, and the runs that a schedule makes.

A run's days are those that end within its data interval or, if none does, the day in which the interval begins: the
day for a daily schedule (for one at 06:00, the day in which the interval begins), seven days for a weekly one, the day
of the hour for an hourly one. So each day belongs to a run. A run without an interval (of an asset or a trigger
timetable) has the day before it, unless an asset event or a partition key names its days.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from airflow.sdk import AssetOrTimeSchedule, Context, CronDataIntervalTimetable, CronTriggerTimetable
from airflow.sdk.definitions.timetables.assets import AssetTriggeredTimetable
from airflow.sdk.definitions.timetables.simple import ContinuousTimetable, NullTimetable, OnceTimetable
from croniter import croniter  # type: ignore[import-untyped]

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_WITHOUT_BACKFILLS = (AssetTriggeredTimetable, ContinuousTimetable, NullTimetable, OnceTimetable)
PARTITION = "partition"
"""The key in an asset event's ``extra`` for the day (ISO date) that has new data."""


def timetable(workload: Workload) -> CronDataIntervalTimetable | None:
    """Return the timetable of a workload's own schedule, in UTC; None without a schedule."""
    return CronDataIntervalTimetable(workload.schedule, timezone="UTC") if workload.schedule else None


def of_run(context: Context, workload: Workload) -> Any:  # noqa: ANN401 - one of Airflow's timetables
    """Return the timetable of this task's DAG; the workload's own if the context has no DAG."""
    dag: Any = context.get("dag")
    return dag.timetable if dag is not None else timetable(workload)


def zone(schedule: object) -> tzinfo:
    """Return the time zone of a timetable's days; UTC if it names none."""
    # the scheduler's timetable classes use the second name
    named = getattr(schedule, "timezone", None) or getattr(schedule, "_timezone", None)
    if isinstance(named, str):
        return ZoneInfo(named)
    return named if isinstance(named, tzinfo) else UTC


def days_of(begin: datetime, end: datetime, place: tzinfo) -> Window:
    """Return the days of a data interval by the module's rule; of an empty interval, the day before."""
    if end <= begin:
        before = (end - _DAY).astimezone(place).date()
        return Window(first=before, last=before)
    first = begin.astimezone(place).date()
    last = end.astimezone(place).date() - _DAY
    return Window(first=first, last=max(first, last))


def window(dag_run: Any, parameters: Parameters, schedule: object) -> Window:  # noqa: ANN401 - one of Airflow's
    """Return the days of a run: those of its parameters, otherwise its own. Raises ValueError if they are invalid."""
    own = _own_days(dag_run, zone(schedule))
    first = parameters.partition_from or own.first
    return Window(first=first, last=parameters.partition_to or max(first, own.last))


def day_end(day: date, place: tzinfo) -> datetime:
    """Return the end of a day in a time zone."""
    return datetime.combine(day + _DAY, time(), place)


def _own_days(dag_run: Any, place: tzinfo) -> Window:  # noqa: ANN401
    # Airflow before 3.2 has no partition keys
    named = [_day(event) for event in getattr(dag_run, "consumed_asset_events", None) or ()]
    key = _iso(getattr(dag_run, "partition_key", None))
    days = sorted(day for day in [*named, key] if day is not None)
    if days:
        return Window(first=days[0], last=days[-1])
    begin = dag_run.data_interval_start
    if begin is None:
        return days_of(dag_run.run_after, dag_run.run_after, place)
    return days_of(begin, getattr(dag_run, "data_interval_end", None) or begin + _DAY, place)


def _day(event: Any) -> date | None:  # noqa: ANN401 - an asset event of Airflow's
    value = (event.extra or {}).get(PARTITION)
    if value is None:
        return _iso(getattr(event, "partition_key", None))
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"an asset's event names the {PARTITION} {value!r}: give its ISO date") from None


def _iso(key: str | None) -> date | None:
    try:
        return date.fromisoformat((key or "")[:10])
    except ValueError:  # a key of another kind
        return None


@dataclass(frozen=True)
class Slot:
    """A run that a schedule makes: its logical date, the time after which it runs (in its name), and its days."""

    logical_date: datetime
    run_after: datetime
    window: Window


def slots(schedule: object, since: datetime, until: datetime) -> Iterator[Slot] | None:
    """Return the runs that a cron schedule makes, in order; None for others, whose runs only Airflow can compute."""
    schedule = _by_time(schedule)
    if not isinstance(schedule, CronDataIntervalTimetable | CronTriggerTimetable):
        return None
    return _slots(schedule, since, until)


def has_backfills(schedule: object) -> bool:
    """Return whether Airflow makes backfills of this schedule: False for None, "@once", "@continuous", assets only."""
    return not isinstance(_by_time(schedule), _WITHOUT_BACKFILLS)


def windows(schedule: object, logical_dates: Sequence[datetime]) -> list[Window]:
    """Return the days of the runs with these logical dates; without a cron schedule, the dates' own days."""
    if not logical_dates:
        return []
    made = slots(schedule, min(logical_dates), max(logical_dates) + _DAY)
    if made is None:
        days = [moment.astimezone(zone(schedule)).date() for moment in logical_dates]
        return [Window(first=day, last=day) for day in days]
    known = {slot.logical_date: slot.window for slot in made}
    return [known[moment] for moment in logical_dates if moment in known]


def _by_time(schedule: object) -> object:
    return schedule.timetable if isinstance(schedule, AssetOrTimeSchedule) else schedule


def _slots(
    schedule: CronDataIntervalTimetable | CronTriggerTimetable, since: datetime, until: datetime
) -> Iterator[Slot]:
    place = zone(schedule)
    # croniter does not handle time zones here: it gets local wall-clock times
    times = croniter(schedule.expression, (since.astimezone(place) - _INSTANT).replace(tzinfo=None), datetime)
    begin = times.get_next().replace(tzinfo=place).astimezone(UTC)
    while begin < until:
        following = times.get_next().replace(tzinfo=place).astimezone(UTC)
        if isinstance(schedule, CronDataIntervalTimetable):
            yield Slot(begin, following, days_of(begin, following, place))
        else:
            logical_date = begin - schedule.interval
            yield Slot(logical_date, begin, days_of(logical_date, begin, place))
        begin = following
