"""Backfill page: the price of a backfill, by Airflow's dry run, and commands to copy."""

import json
import shlex
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.backfill import (
    DagNonPeriodicScheduleException,
    ReprocessBehavior,
    _do_dry_run,
    _get_dag_run_no_create_reason,
)
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.timetables.interval import CronDataIntervalTimetable
from croniter import croniter  # type: ignore[import-untyped]
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from millrace.contracts.data import Window
from millrace.orchestration import backfill, schedules
from millrace.orchestration.connections import reach_stores
from millrace.pages import workloads
from millrace.pages.access import DagReader
from millrace.pages.fields import Day
from millrace.pages.rendering import show
from millrace.pages.slow import FewAtOnce, Kept
from millrace.planning import backfill_price
from millrace.settings import load_settings
from millrace.sizing.backfill import BackfillPrice

router = APIRouter()
Item = TypeVar("Item")
Interval = tuple[datetime, datetime]

_LONGEST_DAYS = 3661
_RUNS_AT_ONCE = 8  # max_active_runs of every workload's DAG
_MOST_RUNS, _MOST_RUNS_OF_OTHERS = 4_000, 400  # ten years; Airflow's dry run takes milliseconds per run
_BOUNDS = backfill_price.Bounds(day_folders=366, plans=16)
_PLACES = FewAtOnce(2, "prices of backfills")
_PRICES: Kept[tuple[int, BackfillPrice]] = Kept(most=64, seconds=30)


@router.get("/backfill", dependencies=[DagReader])
def price(
    request: Request,
    session: SessionDep,
    dag_id: Annotated[str, Query()],
    first: Day,
    last: Day,
    reprocess: Annotated[Literal["none", "failed", "completed"], Query()] = "none",
    train: Annotated[Literal["auto", "always", "never"], Query()] = "auto",
) -> HTMLResponse:
    """Show what a backfill would take, for the runs of Airflow's dry run, and the command that starts it.

    HTTP 404 if the DAG is no workload, 422 for too many days or runs, 503 if two prices are being computed already.
    """
    found = workloads.find(session, dag_id)
    if found is None:
        raise HTTPException(404, "This DAG is no workload of Millrace's")
    if not 0 <= (last - first).days < _LONGEST_DAYS:
        raise HTTPException(422, f"The last day comes after the first, by {_LONGEST_DAYS:,} days at most")
    workload, form = found
    settings = load_settings()
    reach_stores(settings)
    conf = {"train": train} if train != "auto" else {}
    parameters = {**workloads.defaults(form), **conf}

    def work_out() -> tuple[int, BackfillPrice]:
        with _PLACES.place():
            windows = _windows(session, dag_id, first, last, reprocess)
            return len(windows), backfill_price.price(workload, parameters, windows, settings, _RUNS_AT_ONCE, _BOUNDS)

    declared = (workload.model_dump_json(), settings.arrivals, json.dumps(parameters, default=str))
    asked_for = (dag_id, *declared, first, last, reprocess)
    runs, priced = _PRICES.get(asked_for, work_out)
    asked = ["--dag-id", dag_id, "--from-date", f"{first}", "--to-date", f"{last}"]
    asked += ["--reprocess-behavior", reprocess, *(["--dag-run-conf", json.dumps(conf)] if conf else [])]
    return show(
        request,
        "backfill.html",
        dag_id=dag_id,
        first=first,
        last=last,
        runs=runs,
        price=priced,
        finish=datetime.now(UTC) + timedelta(seconds=priced.seconds.p50),
        finish_late=datetime.now(UTC) + timedelta(seconds=priced.seconds.p90),
        line=f"python -m millrace airflow backfill create {shlex.join(asked)}",
        price_line=f"python -m millrace price-backfill {shlex.join(asked)}",
    )


def _windows(session: Any, dag_id: str, first: date, last: date, reprocess: str) -> list[Window]:  # noqa: ANN401
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last))
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    schedule = dag.timetable if dag else None
    behaviour = ReprocessBehavior(reprocess)
    cron = _cron(schedule)

    def dry_run(until: datetime) -> Iterable[Interval]:
        infos = _do_dry_run(
            dag_id=dag_id, from_date=begin, to_date=until, reverse=False, reprocess_behavior=behaviour, session=session
        )  # fmt: skip
        return ((info.data_interval.start, info.data_interval.end) for info in infos if info.data_interval)

    try:
        if cron:
            next(iter(dry_run(begin)), None)  # raises Airflow's refusals, which do not depend on the days
            found = _without_known(session, dag_id, _bounded(_intervals(cron, begin, end), _MOST_RUNS), behaviour)
        else:
            if dag is not None and schedule is not None and schedule.periodic:
                _bounded(dag.iter_dagrun_infos_between(begin, end), _MOST_RUNS_OF_OTHERS)
            found = list(dry_run(end))
    except DagNonPeriodicScheduleException:
        backfill.refuse_without_schedule(dag_id, has_backfills=False)
    place = schedules.zone(schedule)
    return [schedules.days_of(start, stop, place) for start, stop in sorted(set(found))]


def _cron(schedule: object) -> str | None:
    """Return the cron expression if data intervals are from one of its times to the next, in UTC; else None."""
    plain = type(schedule) is CronDataIntervalTimetable and schedules.zone(schedule).utcoffset(None) == timedelta(0)
    return str(schedule._expression) if plain else None  # type: ignore[attr-defined]


def _intervals(cron: str, begin: datetime, end: datetime) -> Iterator[Interval]:
    """Yield ended data intervals that begin in the days, as Airflow's dry run does, in a thirtieth of its time."""
    now = datetime.now(UTC)
    times = croniter(cron, (begin - timedelta(microseconds=1)).replace(tzinfo=None), datetime)
    at = times.get_next().replace(tzinfo=UTC)
    while at <= end:
        following = times.get_next().replace(tzinfo=UTC)
        if following >= now:
            return
        yield at, following
        at = following


def _without_known(
    session: Any,  # noqa: ANN401
    dag_id: str,
    intervals: list[Interval],
    behaviour: ReprocessBehavior,
) -> list[Interval]:
    """Return the intervals that have no run, or a run that Airflow would repeat."""
    if not intervals:
        return []
    runs = select(DagRun.logical_date, DagRun.state).where(
        DagRun.dag_id == dag_id, DagRun.logical_date.between(intervals[0][0], intervals[-1][0])
    )
    stays = {run.logical_date for run in session.execute(runs) if _get_dag_run_no_create_reason(run, behaviour)}
    return [interval for interval in intervals if interval[0] not in stays]


def _bounded(items: Iterable[Item], most: int) -> list[Item]:
    found = list(islice(items, most + 1))
    if len(found) > most:
        raise HTTPException(422, f"These days have more than {most:,} runs: ask for fewer days")
    return found
