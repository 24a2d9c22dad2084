"""Page with Great Expectations' Data Docs of a run, read from the store; the browser runs no script in them."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from millrace.contracts.reasons import Reason
from millrace.ledger.database import Row
from millrace.ledger.ledger import Ledger
from millrace.orchestration.connections import reach_stores
from millrace.pages.access import DagReader
from millrace.pages.fields import LARGEST, Repeat, of_repeat
from millrace.pages.rendering import HEADERS
from millrace.runs import data_docs
from millrace.settings import load_settings
from millrace.storage import files

router = APIRouter()

_BYTES = 20 * 2**20
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


@router.get("/docs", dependencies=[DagReader])
def docs(
    dag_id: Annotated[str, Query()],
    run_id: Annotated[str | None, Query()] = None,
    repeat: Repeat = None,
    version: Annotated[int | None, Query(ge=0, le=LARGEST)] = None,
) -> HTMLResponse:
    """Show the Data Docs of a run, or of the run that published a dataset version; HTTP 404 with the reason if none."""
    settings = load_settings()
    ledger = settings.ledger()
    if run_id is None:
        run_id, repeat = _publisher(ledger, dag_id, version)
    row = of_repeat(ledger.views.repeats(dag_id, run_id), repeat)
    if row is None:
        raise HTTPException(404, "The ledger knows no such run of this DAG")
    reach_stores(settings)
    tries = None if repeat is None else _tries(ledger, dag_id, run_id, repeat)
    uri = data_docs.newest(settings.store, dag_id, run_id, tries)
    if uri is None:
        raise HTTPException(404, _why_none(ledger.try_reasons(dag_id, run_id, row["repeat"]), row))
    try:
        text = files.read_bytes(uri, limit=_BYTES)
    except FileNotFoundError as error:
        raise HTTPException(404, "These Data Docs were swept away, or the store is elsewhere") from error
    return HTMLResponse(text, headers={**HEADERS, "Content-Security-Policy": _POLICY})


def _publisher(ledger: Ledger, dag_id: str, version: int | None) -> tuple[str, int]:
    found = None if version is None else ledger.views.publisher(dag_id, version)
    if found is None:
        raise HTTPException(404, "The ledger knows no such dataset version of this DAG")
    return found


def _tries(ledger: Ledger, dag_id: str, run_id: str, repeat: int) -> set[int]:
    tries = ledger.tries(dag_id, run_id, repeat)
    return {each["try_number"] for each in tries if each["step"] == "validate"}


def _why_none(reasons: dict[str, Reason], row: Row) -> str:
    """Return why a run has no Data Docs."""
    if "validate" in reasons:
        why = reasons["validate"].text
        return f"Validation left no Data Docs: {why}. Older ones go with their run's folder when swept"
    ended = f": the run is {row['state']}" + (f", {row['reason']}" if row["reason"] else "")
    return f"Nothing was validated in this run{ended}"
