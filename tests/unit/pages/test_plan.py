"""What-if plans, before anything is triggered."""

import html
import json
import re
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.pages import workloads
from millrace.pipeline import trigger_form

PROFILE = Profile(
    rows=1000, bytes=10**6, rows_by_split={"train": 800, "test": 100, "validation": 100}, label_counts={"rose": 1000}
)


@pytest.fixture
def page(client: TestClient, workload: Workload, manager: Any, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Of the workload "flowers", whose DAG Airflow knows."""
    manager.readable.add("flowers")
    manager.editable.add("flowers")
    form = {name: SimpleNamespace(value=param.value, schema=param.schema, description=param.description)
            for name, param in trigger_form(workload).items()}  # fmt: skip
    monkeypatch.setattr(workloads, "find", lambda session, dag_id: (workload, form) if dag_id == "flowers" else None)
    monkeypatch.setattr(workloads, "names", lambda session, dags: ["flowers"])
    return client


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of its data was validated."""
    dataset = DatasetVersion(workload="flowers", uri="file:///d", version=3, until=date(2026, 3, 1))
    monkeypatch.setattr(Ledger, "latest_dataset", lambda self, workload, until: dataset)
    monkeypatch.setattr(Ledger, "profile", lambda self, workload, **_: PROFILE)


def confs(text: str) -> list[dict[str, Any]]:
    return [json.loads(html.unescape(found)) for found in re.findall(r'data-conf="([^"]+)"', text)]


def test_choices_are_triggered_with_what_was_asked(page: TestClient, known: None) -> None:
    text = page.get("/sub/millrace/plan?dag_id=flowers&epochs=7&rows=400&train=always").text
    asked, *others = confs(text)
    assert (asked["epochs"], asked["rows"], asked["train"], asked["hardware"]) == (7, 400, "always", "auto")
    assert {each["rows"] for each in others if each["hardware"] == "auto"} == {200, 100}
    assert {each["rows"] for each in others if each["hardware"] != "auto"} == {400, 200, 100}
    assert 'data-trigger="/sub/api/v2/dags/flowers/dagRuns"' in text
    assert text.count("<svg") == 2


def test_who_may_not_trigger_sees_the_plan_and_no_button(page: TestClient, known: None, manager: Any) -> None:
    manager.editable.clear()
    text = page.get("/sub/millrace/plan?dag_id=flowers").text
    assert "2 cores" in text or "cores" in text
    assert confs(text) == []


def test_a_value_out_of_bounds_is_named(page: TestClient, known: None) -> None:
    answer = page.get("/sub/millrace/plan?dag_id=flowers&epochs=900")
    assert answer.status_code == 400
    assert "epochs" in answer.text


def test_without_data_the_page_says_what_to_run_first(page: TestClient) -> None:
    text = page.get("/sub/millrace/plan?dag_id=flowers").text
    assert "train=never" in text
    assert confs(text) == []


def test_another_dag_is_no_workload(page: TestClient, manager: Any) -> None:
    manager.readable.add("retention")
    assert "no workload" in page.get("/sub/millrace/plan?dag_id=retention").text
    assert page.get("/sub/millrace/backfill?dag_id=retention&first=2026-03-01&last=2026-03-02").status_code == 404


def test_days_in_the_wrong_order_are_refused(page: TestClient) -> None:
    assert page.get("/sub/millrace/backfill?dag_id=flowers&first=2026-03-02&last=2026-03-01").status_code == 422
