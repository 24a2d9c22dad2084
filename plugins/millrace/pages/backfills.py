"""The price of a backfill, by Airflow's own dry run, and the lines to copy."""

import json
import shlex
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.backfill import DagNonPeriodicScheduleException, ReprocessBehavior, _do_dry_run
from airflow.models.serialized_dag import SerializedDagModel
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from millrace import backfill, schedules
from millrace.connections import reach_stores
from millrace.contracts.data import Window
from millrace.pages import workloads
from millrace.pages.access import DagReader
from millrace.pages.rendering import show
from millrace.settings import load_settings

router = APIRouter()

_LONGEST_DAYS = 3661
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)  # beyond them calendars overflow
_RUNS_AT_ONCE = 8  # of every workload's DAG


@router.get("/backfill", dependencies=[DagReader])
def price(
    request: Request,
    session: SessionDep,
    dag_id: Annotated[str, Query()],
    first: Annotated[date, Query(ge=_FIRST_DAY, le=_LAST_DAY)],
    last: Annotated[date, Query(ge=_FIRST_DAY, le=_LAST_DAY)],
    reprocess: Annotated[Literal["none", "failed", "completed"], Query()] = "none",
    train: Annotated[Literal["auto", "always", "never"], Query()] = "auto",
) -> HTMLResponse:
    """What a backfill would take, by Airflow's own dry run, and the line that starts it."""
    found = workloads.find(session, dag_id)
    if found is None:
        raise HTTPException(404, "This DAG is no workload of Millrace's")
    if not 0 <= (last - first).days < _LONGEST_DAYS:
        raise HTTPException(422, f"The last day comes after the first, by {_LONGEST_DAYS:,} days at most")
    workload, form = found
    settings = load_settings()
    reach_stores(settings)
    conf = {"train": train} if train != "auto" else {}
    windows = _windows(session, dag_id, first, last, reprocess)
    priced = backfill.price(workload, {**workloads.defaults(form), **conf}, windows, settings, _RUNS_AT_ONCE)
    asked = ["--dag-id", dag_id, "--from-date", f"{first}", "--to-date", f"{last}"]
    asked += ["--reprocess-behavior", reprocess, *(["--dag-run-conf", json.dumps(conf)] if conf else [])]
    return show(
        request,
        "backfill.html",
        dag_id=dag_id,
        first=first,
        last=last,
        days=windows,
        price=priced,
        finish=datetime.now(UTC) + timedelta(seconds=priced.seconds.p50),
        finish_late=datetime.now(UTC) + timedelta(seconds=priced.seconds.p90),
        line=f"python -m millrace airflow backfill create {shlex.join(asked)}",
        price_line=f"python -m millrace price-backfill {shlex.join(asked)}",
    )


def _windows(session: Any, dag_id: str, first: date, last: date, reprocess: str) -> list[Window]:  # noqa: ANN401
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last))
    infos = _do_dry_run(
        dag_id=dag_id,
        from_date=begin,
        to_date=end,
        reverse=False,
        reprocess_behavior=ReprocessBehavior(reprocess),
        session=session,
    )
    try:
        intervals = sorted({info.data_interval for info in infos if info.data_interval})
    except DagNonPeriodicScheduleException:
        backfill.refuse_without_schedule(dag_id, has_backfills=False)
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    place = schedules.zone(dag.timetable if dag else None)
    return [schedules.days_of(interval.start, interval.end, place) for interval in intervals]
