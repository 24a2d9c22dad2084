"""Audit page: who decided, or was refused, what, when and why."""

from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from millrace.orchestration.airflow_actions import take_over
from millrace.pages.access import ReadableDags, ReadsAuditOfAll
from millrace.pages.fields import PAGE_ROWS
from millrace.pages.rendering import show
from millrace.settings import load_settings

router = APIRouter()

_CHECKED_HERE = 500  # largest audit, in rows, of which the page verifies all rows


@router.get("/audit")
def page(
    request: Request,
    session: SessionDep,
    dags: ReadableDags,
    site_wide: ReadsAuditOfAll,
    dag_id: Annotated[str | None, Query()] = None,
    before: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
) -> HTMLResponse:
    """Show decisions on the DAGs that this user may read, newest first, and site-wide ones if the user may read them.

    Actions taken in Airflow's UI are copied to the audit first.
    """
    if dag_id and dag_id not in dags:
        raise HTTPException(403, "You may not see this DAG")
    ledger = load_settings().ledger()
    take_over(session, ledger)
    shown = [dag_id] if dag_id else sorted(dags)
    of_site = site_wide and not dag_id
    rows, count, digest = ledger.audit_page(shown, site_wide=of_site, before=before, limit=PAGE_ROWS + 1)
    found = ledger.check_audit() if count <= _CHECKED_HERE else None
    broken = next((row["sequence"] for row in reversed(rows) if row["wrong"]), None)
    if found is not None:
        broken = found.broken_at
    return show(
        request,
        "audit.html",
        dag_id=dag_id,
        rows=rows[:PAGE_ROWS],
        following=rows[PAGE_ROWS - 1]["sequence"] if len(rows) > PAGE_ROWS else None,
        count=count,
        digest=digest,
        broken=broken,
        wrong=found.wrong if found else "",
        checked_all=found is not None,
    )
