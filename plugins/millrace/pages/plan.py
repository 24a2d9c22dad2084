"""Plan page: predictions for a run before it is triggered."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.dag import DagModel
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from sqlalchemy import select

from millrace.contracts.errors import BadInputError, StepError
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.workload import Workload
from millrace.orchestration.connections import reach_stores
from millrace.pages import charts, figures, workloads
from millrace.pages.access import ReadableDags, may_trigger
from millrace.pages.rendering import show
from millrace.pages.slow import FewAtOnce
from millrace.planning.run_plan import plan_runs
from millrace.runs.located_source import located
from millrace.runs.run import Run
from millrace.settings import Settings, load_settings
from millrace.sizing.catalogue import hardware_names
from millrace.sizing.frontier import beats

router = APIRouter()

_SIZED = ("rows", "epochs", "batch_size", "max_length", "hardware", "workers")
_WORKERS = (1, 2, 4)
_PARTS = (1, 2, 4)
_PLACES = FewAtOnce(4, "plans")


@dataclass(frozen=True)
class Field:
    """A field of the form, with the bounds of the DAG's own trigger form."""

    name: str
    value: Any
    kind: Literal["choice", "yes_or_no", "whole", "number", "date", "text"]
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    description: str


@dataclass(frozen=True)
class Option:
    """One choice of hardware, workers and rows with its plan; ``conf`` is the trigger's configuration (JSON).

    A ``best`` one is on the Pareto frontier of time and energy among those with the same rows.
    """

    plan: Plan
    workers: int
    conf: str
    best: bool
    asked: bool


@router.get("/plan")
def page(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    dags: ReadableDags,
    dag_id: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    """Show the form and, for a workload, the plan of each choice of hardware, workers and rows."""
    if dag_id and dag_id not in dags:
        raise HTTPException(403, "You may not see this DAG")
    names = workloads.names(session, dags)
    chosen = dag_id or next(iter(names), "")
    found = workloads.find(session, chosen)
    if found is None:
        return show(request, "plan_none.html", dag_id=chosen)
    workload, defaults = found
    settings = load_settings()
    reach_stores(settings)
    asked = _conf(request.query_params, defaults)
    try:
        with _PLACES.place():
            options, error = _options(workload, asked, settings), None
    except StepError as refused:
        options, error = [], refused
    fields = list(_fields(asked, defaults, ["auto", *hardware_names(settings.catalogue)]))
    points = [(o.plan.seconds.p50, o.plan.joules.p50 / 3600, _named(o)) for o in options]
    return show(
        request,
        "plan.html",
        dag_id=chosen,
        dags=sorted({*names, chosen}),
        fields=[field for field in fields if field.name in _SIZED],
        others=[field for field in fields if field.name not in _SIZED],
        options=options,
        error=error,
        chart=charts.points(points, "Time and energy of each choice", ("time, s", "energy, Wh")) if options else None,
        may_trigger=may_trigger(user, chosen),
        paused=session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == chosen)),
        latest=settings.ledger().latest_dataset(workload.name, until=date.max, generation=workload.dataset.generation),
        today=datetime.now(UTC).date(),
    )


def _conf(given: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults, updated with the form's values. Raises BadInputError for an invalid value."""
    conf = workloads.defaults(defaults)
    conf.update({name: value for name, value in given.items() if name in defaults and value != ""})
    try:
        given_texts = {name: str(value) for name, value in conf.items() if value is not None}
        checked = Parameters.model_validate_strings(given_texts)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInputError(
            f"{first['loc'][0]}: {first['msg']}",
            where="the form",
            rule="the bounds of the DAG's own trigger form",
            remedy="correct the field",
        ) from error
    return {name: value for name, value in checked.model_dump(mode="json").items() if name in defaults}


def _fields(asked: Mapping[str, Any], defaults: Mapping[str, Any], hardware: Sequence[str]) -> Iterator[Field]:
    for name, param in defaults.items():
        schema = param.schema
        choices = tuple(hardware) if name == "hardware" else tuple(schema.get("enum") or ())
        yield Field(
            name=name,
            value=asked.get(name),
            kind="choice" if choices else _kind(schema),
            choices=choices,
            minimum=schema.get("minimum"),
            maximum=schema.get("maximum"),
            description=str(param.description or ""),
        )


def _kind(schema: Mapping[str, Any]) -> Literal["yes_or_no", "whole", "number", "date", "text"]:
    types = schema.get("type") or ()
    types = {types} if isinstance(types, str) else set(types)
    if "boolean" in types:
        return "yes_or_no"
    if "integer" in types:
        return "whole"
    if "number" in types:
        return "number"
    return "date" if schema.get("format") == "date" else "text"


def _options(workload: Workload, asked: Mapping[str, Any], settings: Settings) -> list[Option]:
    """Return the requested plan, and plans for other hardware, more workers, and half and a quarter of the rows.

    Raises BadInputError if the ledger has no dataset version or no profile of the workload.
    """
    ledger = settings.ledger()
    parameters = Parameters.model_validate(dict(asked))
    window_end = parameters.partition_to or date.max
    generation = workload.dataset.generation
    dataset = ledger.latest_dataset(workload.name, until=window_end, generation=generation)
    profile = ledger.profile(workload.name, until=window_end, generation=generation)
    if dataset is None or profile is None:
        raise BadInputError(
            "nothing is known of this workload's data yet",
            where=f"workload {workload.name}",
            rule="a run is planned from the profile of validated data",
            remedy="trigger it for one day with train=never, which ingests and validates, and come back",
        )
    names = dict.fromkeys((parameters.hardware, *hardware_names(settings.catalogue)))
    workers = _WORKERS if settings.launcher == "kubernetes" else (1,)
    choices: list[Parameters] = []
    rows = profile.rows_by_split.get("train", 0)
    rows = min(parameters.rows or rows, rows)
    for part, name, number in itertools.product(_PARTS, names, dict.fromkeys((parameters.workers, *workers))):
        fewer = {} if part == 1 else {"rows": max(1, rows // part)}
        choices.append(parameters.model_copy(update={"hardware": name, "workers": number, **fewer}))
    here = located(workload, settings.arrivals)
    runs = [Run.imagined(here, one, dataset.until, settings.store) for one in choices]
    plans = plan_runs([(run, dataset, profile) for run in runs], settings)
    return _distinct(list(zip(choices, plans, strict=True)), parameters, asked)


def _distinct(made: list[tuple[Parameters, Plan]], wanted: Parameters, asked: Mapping[str, Any]) -> list[Option]:
    """Return each choice of hardware, workers and rows once, the requested one first."""
    kept: dict[tuple[str, int, int], tuple[Parameters, Plan]] = {}
    for one, plan in made:
        kept.setdefault((plan.hardware.name, one.workers, plan.train_rows), (one, plan))
    plans = [plan for _, plan in kept.values()]
    return [
        Option(
            plan=plan,
            workers=one.workers,
            conf=json.dumps({**asked, "hardware": one.hardware, "workers": one.workers, "rows": one.rows}),
            best=not any(_beats(other, plan) for other in plans),
            asked=one == wanted,
        )
        for one, plan in kept.values()
    ]


def _beats(other: Plan, plan: Plan) -> bool:
    ours, theirs = (plan.seconds.p50, plan.joules.p50), (other.seconds.p50, other.joules.p50)
    return other.train_rows == plan.train_rows and beats(theirs, ours)


def _named(option: Option) -> str:
    plan, workers = option.plan, f", {option.workers} workers" if option.workers > 1 else ""
    where = f"{plan.hardware.name}{workers}, {plan.train_rows:,} rows"
    return f"{where}: {figures.seconds(plan.seconds.p50)}, {figures.energy(plan.joules.p50)}"
