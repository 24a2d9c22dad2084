"""Run page: steps with their power on a timeline, predictions beside measurements, and why its model is live or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.taskinstance import TaskInstance
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from millrace.contracts.errors import StepError
from millrace.contracts.plan import Plan
from millrace.contracts.report import Quality
from millrace.contracts.serving import Verdict
from millrace.contracts.tasks import TASKS
from millrace.ledger.database import Row
from millrace.orchestration.connections import reach_stores
from millrace.pages import charts
from millrace.pages.access import DagReader
from millrace.pages.charts import Bar
from millrace.pages.fields import Repeat, of_repeat
from millrace.pages.rendering import show
from millrace.settings import load_settings

router = APIRouter()

_REFRESH_SECONDS = 3


@dataclass(frozen=True)
class Task:
    """An Airflow task instance, for steps that have not reported yet."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    start_date: datetime | None
    end_date: datetime | None


@router.get("/run", dependencies=[DagReader])
def page(
    request: Request,
    session: SessionDep,
    dag_id: Annotated[str, Query()],
    run_id: Annotated[str, Query()],
    repeat: Repeat = None,
) -> HTMLResponse:
    """Show a run's newest repeat, or the given one."""
    ledger = load_settings().ledger()
    views = ledger.views
    tasks = _tasks(session, dag_id, run_id)
    repeats = views.repeats(dag_id, run_id)
    if not repeats:
        if not tasks:
            raise HTTPException(404, "Neither the ledger nor Airflow knows this run")
        return show(request, "run_new.html", dag_id=dag_id, run_id=run_id, tasks=tasks, refresh=_REFRESH_SECONDS)
    row = of_repeat(repeats, repeat)
    if row is None:
        raise HTTPException(404, "This run has no such repeat")
    newest = row is repeats[0]
    tries = ledger.tries(dag_id, run_id, row["repeat"])
    plan = views.plan(dag_id, run_id, row["repeat"])
    verdict = Verdict.model_validate_json(row["verdict"]) if row["verdict"] else None
    bars, steps = _bars(row, tries, tasks if newest else [])
    qualities = _qualities(views.evaluations(dag_id, run_id, row["repeat"]))
    return show(
        request,
        "run.html",
        row=row,
        repeats=repeats,
        newest=newest,
        plan=plan,
        error=ledger.error(dag_id, run_id, row["repeat"]) if row["state"] == "failed" else None,
        validated=any(each["step"] == "validate" for each in tries),
        steps=_steps(tries, tasks if newest else [], plan),
        timeline=charts.timeline(bars, steps, f"Steps of {run_id} over time, with power") if bars else None,
        known_power=any(bar.watts is not None for bar in bars),
        verdict=verdict,
        now=qualities.get("candidate"),
        live=qualities.get("live"),
        rollout=_rollout(row["workload"], row["model_version"]),
        asking=[task for task in tasks if task.state == "awaiting_input"] if newest else [],
        refresh=_REFRESH_SECONDS if newest and row["state"] == "running" else None,
    )


def _tasks(session: Any, dag_id: str, run_id: str) -> list[Task]:  # noqa: ANN401 - Airflow's session
    columns = (TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state, TaskInstance.try_number)
    times = (TaskInstance.start_date, TaskInstance.end_date)
    where = (TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
    found = [Task(*row) for row in session.execute(select(*columns, *times).where(*where))]
    return sorted(found, key=lambda task: (_place(task.task_id), task.map_index))


def _place(task_id: str) -> int:
    return TASKS.index(task_id) if task_id in TASKS else len(TASKS)


def _bars(row: Row, tries: Sequence[Row], tasks: Sequence[Task]) -> tuple[list[Bar], list[str]]:
    """Return bars of all metered attempts and of running tasks, and the names of their tasks in the run's order."""
    begin = datetime.fromisoformat(row["started_at"])
    bars = []
    for each in tries:
        if each["started_at"] is None or each["wall_seconds"] is None:
            continue
        at = max(0.0, (datetime.fromisoformat(each["started_at"]) - begin).total_seconds())
        bars.append(Bar(each["task_id"], at, at + each["wall_seconds"], each["outcome"], _watts(each)))
    now = datetime.now(UTC)
    for task in tasks:
        if task.state in ("running", "deferred", "awaiting_input") and task.start_date:
            at = max(0.0, (task.start_date - begin).total_seconds())
            bars.append(Bar(task.task_id, at, (now - begin).total_seconds(), "running", None))
    return bars, sorted({bar.step for bar in bars}, key=_place)


def _steps(tries: Sequence[Row], tasks: Sequence[Task], plan: Plan | None) -> list[dict[str, Any]]:
    """Return a row for each reported attempt and each task without one; a step's first row has the prediction."""
    predicted = plan.seconds_by_step if plan else {}
    rows: list[dict[str, Any]] = []
    tried = {(each["task_id"], each["map_index"]) for each in tries}
    for each in tries:
        rows.append({**each, "state": each["outcome"], "watts": _watts(each)})
    empty = dict.fromkeys(("wall_seconds", "peak_memory_bytes", "joules", "watts", "energy_method"))
    for task in tasks:
        reported = (task.task_id, task.map_index) in tried
        if not reported or task.state in ("running", "awaiting_input", "deferred", "up_for_retry"):
            rows.append(
                {
                    **empty, "task_id": task.task_id, "map_index": task.map_index, "try_number": task.try_number,
                    "state": task.state or "waiting", "reason": "", "reason_code": None,
                }
            )  # fmt: skip
    rows.sort(key=lambda each: (_place(each["task_id"]), each["map_index"], each["try_number"]))
    seen: set[str] = set()
    for each in rows:
        first = each["task_id"] not in seen
        seen.add(each["task_id"])
        each["predicted"] = predicted.get(each["task_id"]) if first else None
        each["first"] = first
    return rows


def _watts(row: Row) -> float | None:
    """Return an attempt's mean power."""
    known = row["joules"] is not None and row["wall_seconds"]
    return row["joules"] / row["wall_seconds"] if known else None


def _qualities(evaluations: Sequence[Row]) -> dict[str, Quality]:
    return {each["role"]: Quality.model_validate_json(each["quality"]) for each in evaluations}


def _rollout(workload: str, version: str | None) -> dict[str, Any] | None:
    """Return the serving target and the server's status if the target has this run's model; else None.

    An error that prevents reading them is returned under ``error``.
    """
    settings = load_settings()
    if version is None:
        return None
    try:
        server_files = settings.server_files(workload)
        reach_stores(settings)
        target, status = server_files.read_target(), server_files.read_status()
    except (StepError, OSError) as error:
        return {"error": str(error).splitlines()[0]}
    if target is None or version not in (target.stable.version, target.canary.version if target.canary else None):
        return None
    return {"target": target, "status": status, "address": server_files.address, "error": None}
