"""Runs page: the ledger's runs as a table with filters and sorting, and as CSV."""

import csv
import io
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from millrace.contracts.reasons import EndState
from millrace.ledger.views import SORTS, RunCursor, RunFilter, Sort, cursor
from millrace.pages.access import ReadableDags
from millrace.pages.fields import LARGEST, PAGE_ROWS, Day
from millrace.pages.rendering import HEADERS, show
from millrace.settings import load_settings

router = APIRouter()

State = Literal["running", EndState]
_NAMES: dict[str, str] = {
    "started_at": "Started",
    "measured_seconds": "Time",
    "measured_joules": "Energy",
    "cost": "Money",
    "quality": "Quality",
    "seconds_error": "Error of time",
    "joules_error": "Error of energy",
}
_CURSOR = TypeAdapter(RunCursor)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _none_if_empty(value: Any) -> Any:  # noqa: ANN401 - what a form sends
    return value or None


def wanted(
    dags: ReadableDags,
    dag_id: Annotated[str | None, Query()] = None,
    state: Annotated[State | None, BeforeValidator(_none_if_empty), Query()] = None,
    since: Annotated[Day | None, BeforeValidator(_none_if_empty), Query()] = None,
    until: Annotated[Day | None, BeforeValidator(_none_if_empty), Query()] = None,
    sort: Annotated[Sort, Query()] = "started_at",
    ascending: Annotated[bool | None, BeforeValidator(_none_if_empty), Query()] = None,
) -> RunFilter:
    """Return the address's filter, limited to the DAGs that this user may read; HTTP 403 for another DAG."""
    if dag_id and dag_id not in dags:
        raise HTTPException(403, "You may not see this DAG")
    known = load_settings().ledger().views.dags()
    return RunFilter(
        dag_ids=tuple(each for each in known if each in dags and dag_id in (None, "", each)),
        state=state,
        since=since,
        until=until,
        sort=sort,
        descending=not ascending,
    )


Wanted = Annotated[RunFilter, Depends(wanted)]


@router.get("/runs")
def page(
    request: Request, wanted: Wanted, dags: ReadableDags, after: Annotated[str | None, Query()] = None
) -> HTMLResponse:
    """Show the table, 50 runs per page."""
    views = load_settings().ledger().views
    rows = views.runs(wanted, _read(after, wanted.sort) if after else None, PAGE_ROWS + 1)
    asked = {name: value for name, value in request.query_params.items() if value and name != "after"}

    def address(**changes: str) -> str:
        return "?" + urlencode({name: value for name, value in {**asked, **changes}.items() if value})

    following = address(after=_write(cursor(rows[PAGE_ROWS - 1]))) if len(rows) > PAGE_ROWS else None
    return show(
        request,
        "runs.html",
        rows=rows[:PAGE_ROWS],
        wanted=wanted,
        asked=asked,
        dag_id=asked.get("dag_id", ""),
        dags=sorted(set(views.dags()) & dags),
        states=get_args(State),
        headings=[
            (
                name,
                _NAMES[name],
                address(sort=name, ascending="true" if name == wanted.sort and wanted.descending else ""),
            )
            for name in SORTS
        ],
        following=following,
        first=address() if after else None,
        csv="csv" + address(),
        filtered=bool(set(asked) - {"dag_id", "sort", "ascending"}),
    )


@router.get("/csv")
def table(wanted: Wanted) -> StreamingResponse:
    """Stream all rows of the filter as CSV with the columns of run_summary; the ledger is read page by page."""
    return StreamingResponse(
        _lines(wanted),
        media_type="text/csv; charset=utf-8",
        headers={**HEADERS, "Content-Disposition": 'attachment; filename="millrace-runs.csv"'},
    )


def _lines(wanted: RunFilter) -> Iterator[str]:
    names: list[str] | None = None
    for row in load_settings().ledger().views.every_run(wanted):
        text = io.StringIO()
        writer = csv.writer(text)
        if names is None:
            names = [name for name in row if name != "sort_value"]
            writer.writerow(names)
        writer.writerow([_cell(row[name]) for name in names])
        yield text.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - of a row
    """Prefix a text that a spreadsheet would read as a formula with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _write(at: RunCursor) -> str:
    return urlsafe_b64encode(json.dumps(asdict(at)).encode()).decode()


def _read(text: str, sort: Sort) -> RunCursor:
    """Parse a cursor that ``_write`` made for a table in this order. Raises HTTPException 400 for anything else."""
    try:
        found = _CURSOR.validate_json(urlsafe_b64decode(text))
        if not 0 <= found.repeat <= LARGEST or isinstance(found.value, str) != (sort == "started_at"):
            raise ValueError("no row of this table")
        if any("\0" in each for each in asdict(found).values() if isinstance(each, str)):
            raise ValueError("no text of a row")
        return found
    except (ValueError, ValidationError) as error:
        raise HTTPException(400, "This address names no page of the table: begin with the first one") from error
