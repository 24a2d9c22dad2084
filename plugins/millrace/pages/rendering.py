"""Render templates into HTTP responses. Every value is escaped, whatever the template's file name."""

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from millrace.pages.entry import PREFIX
from millrace.pages.figures import FILTERS

STATIC = Path(__file__).parent / "static"
_FOLDER = Path(__file__).parent / "templates"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def show(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """Render a page. In templates ``here`` is the pages' root address and ``airflow`` that of Airflow's UI."""
    here = str(request.scope.get("root_path", ""))
    text = (
        _environment()
        .get_template(template)
        .render(here=here, airflow=here.removesuffix(PREFIX), path=request.url.path.removeprefix(here), **values)
    )
    return HTMLResponse(text, status, HEADERS)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
