"""What-if plans, before anything is triggered."""

import html
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.models.backfill import DagNonPeriodicScheduleException
from airflow.models.serialized_dag import SerializedDagModel
from airflow.timetables.base import DagRunInfo
from airflow.timetables.interval import CronDataIntervalTimetable
from fastapi.testclient import TestClient

from millrace import settings
from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import StartPolicy, Workload
from millrace.ledger.ledger import Ledger
from millrace.pages import backfills, workloads
from millrace.pipeline import trigger_form
from millrace.planning.run_plan import plan_run
from millrace.runs.run import Run
from millrace.sizing.catalogue import CATALOGUE
from tests.unit.pages.conftest import Everyone

PROFILE = Profile(
    rows=1000, bytes=10**6, rows_by_split={"train": 800, "test": 100, "validation": 100}, label_counts={"rose": 1000}
)


def trigger_form_of(workload: Workload) -> dict[str, Any]:
    return {name: SimpleNamespace(value=param.value, schema=param.schema, description=param.description)
            for name, param in trigger_form(workload).items()}  # fmt: skip


@pytest.fixture
def page(client: TestClient, workload: Workload, manager: Everyone, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Of the workload "flowers", whose DAG Airflow knows."""
    manager.readable.add("flowers")
    manager.editable.add("flowers")
    form = trigger_form_of(workload)
    monkeypatch.setattr(workloads, "find", lambda session, dag_id: (workload, form) if dag_id == "flowers" else None)
    monkeypatch.setattr(workloads, "names", lambda session, dags: ["flowers"])
    return client


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of its data was validated."""
    dataset = DatasetVersion(workload="flowers", uri="file:///d", version=3, until=date(2026, 3, 1))
    monkeypatch.setattr(Ledger, "latest_dataset", lambda self, workload, until, **_: dataset)
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


def test_a_run_that_waits_for_its_hours_is_shown_with_what_that_saves(
    page: TestClient, known: None, workload: Workload, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    rates = [20 if hour == (now.hour + 3) % 24 else 500 for hour in range(24)]
    catalogue = tmp_path / "site.yaml"
    site = {"pue": 1.5, "gco2e_per_kwh": rates}
    catalogue.write_text(CATALOGUE.read_text().replace("  local: {}", f"  local: {site}"))
    monkeypatch.setenv("MILLRACE_CATALOGUE", str(catalogue))
    settings.load_settings.cache_clear()
    timed = workload.model_copy(update={"timing": StartPolicy(prefer="carbon", within_hours=12)})
    monkeypatch.setattr(workloads, "find", lambda session, dag_id: (timed, trigger_form_of(timed)))
    said = f"begins at {now + timedelta(hours=3):%Y-%m-%d %H}:00 UTC: 96 % less gCO2e than at once ("
    text = page.get("/sub/millrace/plan?dag_id=flowers").text
    assert said in html.unescape(text)
    assert "begins at" not in page.get("/sub/millrace/plan?dag_id=flowers&start=now").text
    day = date(2026, 3, 1)
    ledger.open_run(
        "flowers", "r", workload="flowers", team="t", site="local", partition_first=day, partition_last=day,
        run_type="manual",
    )  # fmt: skip
    run = Run.imagined(timed, Parameters(epochs=1, batch_size=8, learning_rate=0.1), day, "file:///store")
    dataset = ledger.latest_dataset("flowers", day)
    assert dataset
    ledger.store_plan("flowers", "r", 0, plan_run(run, dataset, PROFILE, settings.load_settings()))
    assert said in html.unescape(page.get("/sub/millrace/run?dag_id=flowers&run_id=r").text)


def test_who_may_not_trigger_sees_the_plan_and_no_button(page: TestClient, known: None, manager: Everyone) -> None:
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


def test_another_dag_is_no_workload(page: TestClient, manager: Everyone) -> None:
    manager.readable.add("retention")
    assert "no workload" in page.get("/sub/millrace/plan?dag_id=retention").text
    assert page.get("/sub/millrace/backfill?dag_id=retention&first=2026-03-01&last=2026-03-02").status_code == 404


def test_days_in_the_wrong_order_are_refused(page: TestClient) -> None:
    assert page.get("/sub/millrace/backfill?dag_id=flowers&first=2026-03-02&last=2026-03-01").status_code == 422


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
def test_days_at_the_calendars_ends_are_refused(page: TestClient, day: str) -> None:
    assert page.get(f"/sub/millrace/backfill?dag_id=flowers&first={day}&last={day}").status_code == 422


def test_a_weekly_backfill_is_priced_by_weeks(
    page: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly = CronDataIntervalTimetable("0 0 * * 1", timezone="UTC")
    begins = [pendulum.datetime(2026, 3, 2) + timedelta(days=7 * week) for week in range(3)]
    infos = [DagRunInfo.interval(begin, begin + timedelta(days=7)) for begin in begins]
    monkeypatch.setattr(backfills, "_do_dry_run", lambda **_: iter(infos))
    dag = SimpleNamespace(timetable=weekly, iter_dagrun_infos_between=lambda begin, end: iter(infos))
    monkeypatch.setattr(SerializedDagModel, "get_dag", lambda dag_id, session: dag)
    (tmp_path / "arrivals" / "flowers").mkdir(parents=True)
    (tmp_path / "arrivals" / "flowers" / "2026-03-12.csv").write_text("a day of the second week")
    text = page.get("/sub/millrace/backfill?dag_id=flowers&first=2026-03-02&last=2026-03-20&train=never").text
    assert re.search(r"Runs.{0,80}?\b3\b.{0,80}?2 of them without data", text, re.DOTALL)


def test_a_backfill_without_a_schedule_is_refused_with_what_to_do(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dry_run(**_: Any) -> Any:
        raise DagNonPeriodicScheduleException("non-periodic")
        yield

    monkeypatch.setattr(backfills, "_do_dry_run", dry_run)
    answer = page.get("/sub/millrace/backfill?dag_id=flowers&first=2026-03-01&last=2026-03-02")
    assert answer.status_code == 400
    assert "no backfills of a DAG without a schedule" in answer.text
    assert "partition_from" in answer.text
