"""Whatever an address says, it is answered or refused: no value of any field is an error of ours."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from airflow.models.serialized_dag import SerializedDagModel
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from millrace.contracts.workload import Workload
from millrace.pages import backfills, workloads
from millrace.pages.app import create_app
from millrace.pipeline import trigger_form
from tests.unit.pages.conftest import Everyone


def cursor(**changes: Any) -> str:
    whole = {"value": 1.0, "started_at": "2026-03-01", "dag_id": "news", "run_id": "r", "repeat": 0, **changes}
    return urlsafe_b64encode(json.dumps(whole).encode()).decode()


HOSTILE = (
    "", " ", "-1", "0", "1", "huge", "1e309", "nan", "-inf", "true", "null", "[]", "{}", f"{2**31}", f"{2**63}",
    "9" * 400, "9" * 5000, "0001-01-01", "1970-01-01", "2026-03-01", "2999-12-31", "9999-12-31", "10000-01-01",
    "2026-02-30", "\0", "a\0b", "%", "%%", "'; DROP TABLE runs; --", "../../etc/passwd", "news", "flowers", "r",
    "x" * 20_000, "ä\u2028💥", "|", "|||", "=", "AAAA", "A", cursor(), cursor(repeat=2**63), cursor(repeat=-(2**64)),
    cursor(value=1e400), cursor(value=None), cursor(started_at="\ud800"), cursor(dag_id="\0"), cursor(started_at=""),
)  # fmt: skip
ASKED = {"dag_id": "news", "run_id": "r", "first": "2026-03-01", "last": "2026-03-02", "version": "1"}
PATHS = ("runs", "csv", "run", "docs", "models", "models/promote", "plan", "backfill", "site")


def fields(path: str) -> list[str]:
    """The query fields that a page takes, and for the plan those of the form."""
    (route,) = [
        each
        for each in create_app().routes
        if isinstance(each, APIRoute)
        and each.path == f"/{path.replace('promote', '{change}')}"
        and "GET" in each.methods
    ]
    found: list[str] = []

    def collect(dependant: Any) -> None:
        found.extend(each.alias for each in dependant.query_params)
        for each in dependant.dependencies:
            collect(each)

    collect(route.dependant)
    return sorted(set(found)) + (
        ["rows", "epochs", "hardware", "partition_to", "train", "learning_rate"] if path == "plan" else []
    )


@pytest.fixture
def viewer(
    client: TestClient, manager: Everyone, run: Callable[..., None], workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> TestClient:
    """Ada, who may see two DAGs and change them; one has a run."""
    manager.readable |= {"news", "flowers"}
    manager.editable |= {"news", "flowers"}
    run("r")
    form = {name: SimpleNamespace(value=param.value, schema=param.schema, description=param.description)
            for name, param in trigger_form(workload).items()}  # fmt: skip
    monkeypatch.setattr(
        workloads, "find", lambda session, dag_id: (workload, form) if dag_id in ("news", "flowers") else None
    )
    monkeypatch.setattr(workloads, "names", lambda session, dags: ["flowers"])
    monkeypatch.setattr(backfills, "_do_dry_run", lambda **_: iter(()))
    monkeypatch.setattr(SerializedDagModel, "get_dag", lambda dag_id, session: None)
    return client


@pytest.mark.parametrize("path", PATHS)
def test_no_value_of_any_field_is_an_error_of_ours(viewer: TestClient, path: str) -> None:
    names = fields(path)
    assert names
    for name in names:
        for value in HOSTILE:
            asked = "&".join(f"{key}={quote(text)}" for key, text in {**ASKED, name: value}.items())
            try:
                answer = viewer.get(f"/sub/millrace/{path}?{asked}")
            except Exception as error:
                raise AssertionError(f"{path}: {name}={value[:80]!r}: {error!r}") from error
            assert answer.status_code < 500, f"{path}: {name}={value[:80]!r} {answer.text[-500:]}"
            assert "\0" not in value or answer.status_code == 422, f"{path}: {name}"


@pytest.mark.parametrize(
    ("at", "sort", "status"),
    [
        (cursor(value="2026-03-01"), "started_at", 200),
        (cursor(), "cost", 200),
        (cursor(), "started_at", 400),
        (cursor(value="2026"), "cost", 400),
        (cursor(run_id="a\0"), "cost", 400),
    ],
)
def test_a_place_in_the_table_is_one_of_its_order(viewer: TestClient, at: str, sort: str, status: int) -> None:
    """PostgreSQL compares no text with a number, and takes no NUL."""
    assert viewer.get("/sub/millrace/runs", params={"after": at, "sort": sort}).status_code == status
