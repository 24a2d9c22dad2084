"""The pages over a ledger of their own, as Airflow mounts them, for whoever a test says comes."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI
from fastapi.testclient import TestClient

from millrace import settings
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.orchestration.servers import live_version
from millrace.pages import access
from millrace.pages.app import create_app

PREFIX = "/millrace"


class Everyone:
    """Airflow's auth manager, as far as pages ask it: who may edit which DAGs."""

    def __init__(self) -> None:
        self.editable: set[str] = set()
        self.readable: set[str] = set()
        self.reads_all = False

    def get_authorized_dag_ids(self, *, user: Any, method: str) -> set[str]:
        return self.readable

    def is_authorized_dag(self, *, method: str, user: Any, details: Any = None, access_entity: Any = None) -> bool:
        if details is None:
            return self.reads_all
        return details.id in (self.readable if method == "GET" else self.editable)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    return ledger


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Everyone:
    manager = Everyone()
    for module in (access, __import__("airflow.api_fastapi.core_api.security", fromlist=["x"])):
        monkeypatch.setattr(module, "get_auth_manager", lambda: manager)
    monkeypatch.setattr("airflow.models.dag.DagModel.get_team_name", lambda dag_id: None)
    return manager


@pytest.fixture
def app(ledger: Ledger, manager: Everyone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    """Mounted below a sub-path, as behind a proxy."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    servers = SimpleNamespace(
        canary=lambda workload: None, serve_live=lambda *_: None, refuse_without_server=lambda version: None
    )
    monkeypatch.setattr(live_version, "servers_of", lambda settings: servers)
    pages = create_app()
    whole = FastAPI(root_path="/sub")
    whole.mount(PREFIX, pages)
    whole.state.pages = pages
    pages.dependency_overrides[_get_session] = lambda: SimpleNamespace(execute=lambda _: [], scalar=lambda _: None)
    yield whole
    settings.load_settings.cache_clear()


@pytest.fixture
def anonymous(app: FastAPI) -> TestClient:
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def client(app: FastAPI, anonymous: TestClient) -> TestClient:
    """Ada has come."""
    app.state.pages.dependency_overrides[get_user] = lambda: SimpleNamespace(
        get_id=lambda: "ada", get_name=lambda: "Ada"
    )
    return anonymous


@pytest.fixture
def run(ledger: Ledger, manager: Everyone) -> Callable[..., None]:
    """A run that ended with so many seconds and joules; None is unknown."""

    def run(
        run_id: str, dag_id: str = "news", joules: float | None = 10.0, seconds: float = 5.0, state: str = "success"
    ) -> None:
        manager.readable.add(dag_id)
        day = date(2026, 3, 1)
        repeat = ledger.open_run(
            dag_id, run_id, workload=dag_id, team="t", site="local", partition_first=day, partition_last=day,
            run_type="manual",
        )  # fmt: skip
        key = TryKey(dag_id=dag_id, run_id=run_id, repeat=repeat, task_id="ingest", try_number=1)
        meter = {"started_at": "2026-03-01T00:00:00+00:00", "wall_seconds": seconds, "cpu_seconds": 1, "joules": joules}
        report = Report(outcome="ok", reason="done", meter=MeterReading.model_validate(meter))
        ledger.commit_report(key, report, "p")
        if state != "running":
            ledger.close_run(dag_id, run_id, repeat, state=state, reason="because")

    return run
