"""Page with what the validation of a run found: every expectation on every partition, the violated ones first."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from millrace.contracts.report import ValidateResult
from millrace.pages.access import DagReader
from millrace.pages.fields import Repeat, of_repeat
from millrace.pages.rendering import show
from millrace.settings import load_settings

router = APIRouter()

_SHOWN = 1000  # expectations; a backfill's run may have many more


@router.get("/validation", dependencies=[DagReader])
def page(
    request: Request,
    dag_id: Annotated[str, Query()],
    run_id: Annotated[str, Query()],
    repeat: Repeat = None,
) -> HTMLResponse:
    """Show the newest validation of a run's newest repeat, or of the given one; HTTP 404 if there was none."""
    ledger = load_settings().ledger()
    row = of_repeat(ledger.views.repeats(dag_id, run_id), repeat)
    report = None if row is None else ledger.validation(dag_id, run_id, row["repeat"])
    if report is None:
        raise HTTPException(404, "The ledger knows no validation of this run")
    outcomes = report.result.outcomes if isinstance(report.result, ValidateResult) else ()
    return show(
        request,
        "validation.html",
        row=row,
        report=report,
        outcomes=sorted(outcomes, key=lambda each: each.success)[:_SHOWN],
        count=len(outcomes),
        violated=sum(not each.success for each in outcomes),
    )
