"""What people did by hand in Airflow comes into the audit from Airflow's own log, once."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.models.log import Log
from sqlalchemy.orm import Session

from millrace.contracts.errors import TransientError
from millrace.ledger.ledger import Ledger
from millrace.orchestration import audit_listeners
from millrace.orchestration.airflow_actions import take_over

DAY = date(2026, 3, 2)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    ledger.open_run(
        "news", "r", workload="news", team="t", site="local", partition_first=DAY, partition_last=DAY,
        run_type="scheduled",
    )  # fmt: skip
    return ledger


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Airflow's database, as far as its log."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    Log.__table__.create(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def asked(session: Session) -> Callable[..., None]:
    def asked(event: str, extra: str = "{}", owner: str = "ada", dag_id: str = "news", **more: Any) -> None:
        row = Log(event, owner=owner, extra=extra, dag_id=dag_id, **{"run_id": "r", **more})
        session.add(row)
        session.commit()

    return asked


def told(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    rows = reversed(ledger.audit())
    return [(row["action"], row["outcome"], row["subject"], row["actor"]) for row in rows]


def test_what_was_asked_is_told_once_with_who_and_why(
    ledger: Ledger, session: Session, asked: Callable[..., None]
) -> None:
    note = '{"new_state": "success", "note": "the file is good", "map_index": 2, "method": "PATCH"}'
    asked("patch_task_instance", note, task_id="ingest")
    asked("post_clear_task_instances", '{"dry_run": false, "task_ids": ["train"]}', owner="bob")
    asked("patch_dag_run", '{"state": "failed"}')
    asked("cli_task_clear", '{"full_command": "airflow tasks clear news"}', owner="root", run_id=None)
    assert take_over(session, ledger) == 4
    assert take_over(session, ledger) == 0
    assert told(ledger) == [
        ("mark", "asked", "ingest 2", "ada"),
        ("clear", "asked", "r", "bob"),
        ("mark", "asked", "r", "ada"),
        ("clear", "asked", "news", "root"),
    ]
    first = ledger.audit()[-1]
    assert (first["reason"], first["effect"]) == ("the file is good", "patch_task_instance: new_state: success")
    assert (first["dag_id"], first["run_id"], first["repeat"]) == ("news", "r", 0)
    asked("delete_dag_run")
    assert take_over(session, ledger) == 1


def test_what_is_no_decision_about_a_workload_is_left_out(
    ledger: Ledger, session: Session, asked: Callable[..., None]
) -> None:
    asked("patch_task_instance", '{"note": "looked at it"}', task_id="train")
    asked("trigger_dag_run")  # the run itself says by whom
    asked("update_hitl_detail")  # the task that asked does
    asked("running", owner="airflow")
    asked("delete_dag_run", dag_id="somebody_elses")
    assert take_over(session, ledger) == 0
    assert ledger.audit() == []


def test_what_was_written_late_is_found_and_old_history_is_not(
    ledger: Ledger, session: Session, asked: Callable[..., None]
) -> None:
    asked("delete_dag_run")
    take_over(session, ledger)
    for minutes in (30, 90):
        row = Log("clear_dag_run", owner="ada", extra="no JSON", dag_id="news", run_id="r")
        row.dttm = datetime.now(UTC) - timedelta(minutes=minutes)
        session.add(row)
    session.commit()
    assert take_over(session, ledger) == 1


def test_a_ledger_that_is_away_ends_nothing(
    ledger: Ledger, session: Session, asked: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked("delete_dag_run")

    def away(*_: Any, **__: Any) -> None:
        raise TransientError("the ledger does not answer", where="", rule="", remedy="")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record_decision", away)
        assert take_over(session, ledger) == 0
    assert take_over(session, ledger) == 1


def test_only_where_airflows_database_is_at_hand(
    ledger: Ledger, session: Session, asked: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_listeners, "load_settings", lambda: SimpleNamespace(ledger=lambda: ledger))
    asked("patch_task_instance", '{"new_state": "failed"}', task_id="train")
    audit_listeners.on_task_instance_failed(None, SimpleNamespace(dag_id="news"), None)  # in the task's own process
    assert ledger.audit() == []
    audit_listeners.on_task_instance_failed(None, session.scalars(sa.select(Log)).one(), None)  # any row of Airflow's
    assert len(ledger.audit()) == 1
