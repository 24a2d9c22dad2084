"""Which days a run is for, by its schedule, whatever that is; and which runs a schedule makes.

Of a data interval a run has the days that end within it, or where none does the day in which it begins: daily that day
(at six in the morning the day before), weekly seven days, hourly the day of the hour. So each day is some run's. A run
without an interval, of an asset or a plain time, has the day before, unless an event or a partition key names it.
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
"""Under this name an asset's event says in its extra which day, an ISO date, there is something new of."""


def timetable(workload: Workload) -> CronDataIntervalTimetable | None:
    """The timetable of a workload's own schedule, in UTC."""
    return CronDataIntervalTimetable(workload.schedule, timezone="UTC") if workload.schedule else None


def of_run(context: Context, workload: Workload) -> Any:  # noqa: ANN401 - one of Airflow's timetables
    """The timetable of this task's DAG."""
    dag: Any = context.get("dag")
    return dag.timetable if dag is not None else timetable(workload)


def zone(schedule: object) -> tzinfo:
    """Where its days begin and end: UTC, unless the timetable names another place."""
    # the scheduler's own timetables keep it under the second name
    named = getattr(schedule, "timezone", None) or getattr(schedule, "_timezone", None)
    if isinstance(named, str):
        return ZoneInfo(named)
    return named if isinstance(named, tzinfo) else UTC


def days_of(begin: datetime, end: datetime, place: tzinfo) -> Window:
    """The days of a data interval; see above."""
    if end <= begin:
        before = (end - _DAY).astimezone(place).date()
        return Window(first=before, last=before)
    first = begin.astimezone(place).date()
    last = end.astimezone(place).date() - _DAY
    return Window(first=first, last=max(first, last))


def window(dag_run: Any, parameters: Parameters, schedule: object) -> Window:  # noqa: ANN401 - one of Airflow's
    """The days of a run: those that its parameters name, otherwise its own. Raises ValueError where they are none."""
    own = _own_days(dag_run, zone(schedule))
    first = parameters.partition_from or own.first
    return Window(first=first, last=parameters.partition_to or max(first, own.last))


def day_end(day: date, place: tzinfo) -> datetime:
    """The moment at which a day is over."""
    return datetime.combine(day + _DAY, time(), place)


def _own_days(dag_run: Any, place: tzinfo) -> Window:  # noqa: ANN401
    # an Airflow before 3.2 has no partition keys
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
    said = (event.extra or {}).get(PARTITION)
    if said is None:
        return _iso(getattr(event, "partition_key", None))
    try:
        return date.fromisoformat(str(said))
    except ValueError:
        raise ValueError(f"an asset's event names the {PARTITION} {said!r}: give its ISO date") from None


def _iso(key: str | None) -> date | None:
    try:
        return date.fromisoformat((key or "")[:10])
    except ValueError:  # a key of another kind
        return None


@dataclass(frozen=True)
class Slot:
    """A run that a schedule makes: its name's dates, and its days."""

    logical_date: datetime
    run_after: datetime
    window: Window


def slots(schedule: object, since: datetime, until: datetime) -> Iterator[Slot] | None:
    """The runs that a schedule by cron text makes, in order; None for another schedule, which only Airflow can tell."""
    schedule = _by_time(schedule)
    if not isinstance(schedule, CronDataIntervalTimetable | CronTriggerTimetable):
        return None
    return _slots(schedule, since, until)


def has_backfills(schedule: object) -> bool:
    """Whether Airflow makes backfills of this schedule: not of None, "@once", "@continuous" and assets alone."""
    return not isinstance(_by_time(schedule), _WITHOUT_BACKFILLS)


def windows(schedule: object, logical_dates: Sequence[datetime]) -> list[Window]:
    """The days of the runs with these logical dates; of a schedule that only Airflow can tell, the dates' own days."""
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
    # croniter knows no zones: it counts on the wall clock
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
