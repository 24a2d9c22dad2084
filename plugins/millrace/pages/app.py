"""FastAPI application of the pages. Every route authenticates the user."""

from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from millrace.contracts.errors import BadInputError, RefusedError, StepError
from millrace.pages import audit, backfills, docs, models, plan, run, runs, site, validation
from millrace.pages.fields import no_nul
from millrace.pages.rendering import HEADERS, STATIC, show


def create_app() -> FastAPI:
    """Create the application that is mounted in Airflow's API server."""
    app = FastAPI(dependencies=[Depends(no_nul), Depends(get_user)], docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/", _first, include_in_schema=False)
    app.add_api_route("/static/{name}", _static)
    for page in (runs, run, validation, docs, models, plan, backfills, site, audit):
        app.include_router(page.router)
    app.add_exception_handler(StepError, _step_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_address)
    return app


def _first(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/runs")


def _static(name: Annotated[str, Path(pattern=r"^(pages\.(css|js)|icon(-dark)?\.svg)$")]) -> Response:
    return FileResponse(STATIC / name, headers={**HEADERS, "Cache-Control": "private, max-age=300"})


def _step_error(request: Request, error: Any) -> HTMLResponse:  # noqa: ANN401 - FastAPI's own
    """Show an error with its place, rule and remedy: HTTP 409 if refused, 400 for bad input, else 503."""
    status = 409 if isinstance(error, RefusedError) else 400 if error.exit_code == BadInputError.exit_code else 503
    return show(
        request, "error.html", status=status, what=error.what, where=error.where, rule=error.rule, remedy=error.remedy
    )


def _http_error(request: Request, error: Any) -> HTMLResponse:  # noqa: ANN401
    remedy = {
        401: "Log in to Airflow, and open this page again.",
        403: "Ask for access to this DAG, or open another one.",
        404: "Open it from the list of runs or models.",
    }.get(error.status_code, "Go back and try again.")
    page = show(
        request, "error.html", status=error.status_code, what=str(error.detail), where="", rule="", remedy=remedy
    )
    page.headers.update(error.headers or {})
    return page


def _bad_address(request: Request, error: Any) -> HTMLResponse:  # noqa: ANN401
    """Show which field of the request is invalid, and why, with HTTP 422."""
    first = error.errors()[0]
    return show(
        request,
        "error.html",
        status=422,
        what=f"{first['loc'][-1]}: {first['msg']}",
        where=str(request.url.path),
        rule="the fields of the form",
        remedy="Correct the field, or open the page anew.",
    )
