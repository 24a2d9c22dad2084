"""Models page: versions with their data and cost, and forms by which a person changes the live version."""

from typing import Annotated, Literal

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from millrace.contracts.errors import StepError
from millrace.orchestration.connections import reach_stores
from millrace.orchestration.servers import answering, live_version
from millrace.orchestration.servers.servers import servers_of
from millrace.pages import workloads
from millrace.pages.access import DagEditor, ReadableDags, came_from_our_page, form_token, may_edit
from millrace.pages.fields import PAGE_ROWS
from millrace.pages.rendering import show
from millrace.settings import Settings, load_settings

router = APIRouter()

Change = Literal["promote", "roll_back", "readmit"]


@router.get("/models")
def page(
    request: Request,
    user: GetUserDep,
    dags: ReadableDags,
    dag_id: Annotated[str | None, Query()] = None,
    before: Annotated[str | None, Query(max_length=120)] = None,
    done: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """Show all workloads with their live versions, or one workload's versions, newest first."""
    if dag_id and dag_id not in dags:
        raise HTTPException(403, "You may not see this DAG")
    settings = load_settings()
    views = settings.ledger().views
    known = sorted(set(views.dags()) & dags)
    live = {row["workload"]: row for row in views.live_models(known)}
    chosen = dag_id or (known[0] if len(known) == 1 else "")
    if not chosen:
        return show(request, "workloads.html", dags=known, live=live)
    created_at, _, version = (before or "").partition("|")
    rows = views.models(chosen, (created_at, version) if before else None, PAGE_ROWS + 1)
    shown = rows[:PAGE_ROWS]
    return show(
        request,
        "models.html",
        dag_id=chosen,
        dags=known,
        rows=shown,
        live=live.get(chosen),
        canary=_canary(settings, chosen),
        divergence=_divergence(settings, chosen),
        following=f"{shown[-1]['created_at']}|{shown[-1]['version']}" if len(rows) > PAGE_ROWS else None,
        events=views.model_events(chosen),
        may_edit=may_edit(user, chosen),
        done=done,
    )


@router.get("/models/{change}", dependencies=[DagEditor])
def ask(
    request: Request,
    user: GetUserDep,
    change: Change,
    dag_id: Annotated[str, Query()],
    version: Annotated[str, Query()],
) -> HTMLResponse:
    """Show what the change will do, and a form to confirm it."""
    ledger = load_settings().ledger()
    model = ledger.model(dag_id, version)
    if model is None:
        raise HTTPException(404, "The ledger knows no such version")
    return show(
        request,
        "confirm.html",
        change=change,
        dag_id=dag_id,
        model=model,
        live=ledger.live_model(dag_id),
        previous=model.previous_version,
        token=form_token(user, change),
    )


@router.post("/models/{change}", dependencies=[DagEditor, Depends(came_from_our_page)])
def do(
    request: Request,
    user: GetUserDep,
    session: SessionDep,
    change: Change,
    dag_id: Annotated[str, Query()],
    version: Annotated[str, Query()],
    reason: Annotated[str, Form(min_length=3, max_length=500, pattern=r"^[^\x00]*$")],
) -> Response:
    """Promote, roll back or readmit a version; the ledger's events record the user and the reason."""
    settings = load_settings()
    reach_stores(settings)
    actor = f"{user.get_name()} in Airflow's UI"
    if change == "roll_back":
        now = live_version.roll_back(settings, dag_id, version, reason=reason, actor=actor)
        done = f"{version} was rolled back; {now or 'no version'} is live"
    elif change == "readmit":
        live_version.readmit(settings, dag_id, version, reason=reason, actor=actor)
        done = f"{version} is a candidate again: a run may roll it out, or a person promote it"
    else:
        found = workloads.find(session, dag_id)
        two_people = found is not None and found[0].approval.two_people
        not_own_of = user.get_name() if two_people else None
        previous = live_version.promote(settings, dag_id, version, reason=reason, actor=actor, not_own_of=not_own_of)
        done = f"{version} is live" + (f", in place of {previous}" if previous else "")
    here = request.scope.get("root_path", "")
    address = request.url.replace(path=f"{here}/models").replace_query_params(dag_id=dag_id, done=done)
    return RedirectResponse(f"{address.path}?{address.query}", 303)


def _divergence(settings: Settings, workload: str) -> str | None:
    """Describe the difference between the versions that answer and the live one; None if equal, or on Kubernetes."""
    if settings.launcher != "process":
        return None
    try:
        reach_stores(settings)
        found = answering.divergence(settings, workload)
    except (StepError, OSError) as error:
        return f"what answers is not known: {str(error).splitlines()[0]}"
    return found.reason if found else None


def _canary(settings: Settings, workload: str) -> str | None:
    """Return the version that is the canary now; None if there is none, on an error, or on Kubernetes."""
    if settings.launcher != "process":
        return None
    try:
        reach_stores(settings)
        return servers_of(settings).canary(workload)
    except (StepError, OSError):
        return None
