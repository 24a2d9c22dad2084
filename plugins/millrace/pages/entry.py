"""ASGI application that Airflow mounts; the pages are imported at the first request.

Every Airflow process loads the plugin but only the API server answers requests, so that the others skip the import.
"""

from functools import cache
from typing import Any


async def pages(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Pass a request to the application."""
    await _application()(scope, receive, send)


@cache
def _application() -> Any:  # noqa: ANN401
    from millrace.pages.app import create_app

    return create_app()


PREFIX = "/millrace"


def _view(name: str, page: str, destination: str, route: str) -> dict[str, Any]:
    """Return a navigation entry or a tab of Airflow; its address is relative, so that it works behind a sub-path."""
    view: dict[str, Any] = {
        "name": name,
        "href": f"{PREFIX[1:]}/{page}",
        "destination": destination,
        "url_route": route,
        "icon": f"{PREFIX[1:]}/static/icon.svg",
        "icon_dark_mode": f"{PREFIX[1:]}/static/icon-dark.svg",
    }
    return view


EXTERNAL_VIEWS = [
    {**_view("Millrace", "runs", "nav", "millrace"), "nav_top_level": True},
    _view("Millrace models", "models", "nav", "millrace-models"),
    _view("Millrace plan", "plan", "nav", "millrace-plan"),
    _view("Millrace site", "site", "nav", "millrace-site"),
    _view("Millrace audit", "audit", "nav", "millrace-audit"),
    _view("Energy and cost", "runs?dag_id={DAG_ID}", "dag", "millrace-runs"),
    _view("Plan", "plan?dag_id={DAG_ID}", "dag", "millrace-dag-plan"),
    _view("Models", "models?dag_id={DAG_ID}", "dag", "millrace-dag-models"),
    _view("Energy and cost", "run?dag_id={DAG_ID}&run_id={RUN_ID}", "dag_run", "millrace-run"),
]
