"""The page Audit: who may see which decision, whether the chain is whole; and the command that reads all of it."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from millrace.cli.ledger_commands import commands
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision
from tests.unit.pages.conftest import Everyone

ADA = Actor("Ada <b>")


@pytest.fixture
def decided(ledger: Ledger, run: Callable[..., None], manager: Everyone) -> Ledger:
    """Ada may read the DAG news, and not gossip."""
    run("r1")
    ledger.record_decision(Decision("promote", "v1", ADA, "it is better", "v1 is live", dag_id="news"))
    ledger.record_decision(Decision("roll_back", "v9", ADA, "a secret", dag_id="gossip"))
    ledger.record_decision(Decision("sweep", "file:///store", ADA, "the policy", site_wide=True))
    return ledger


def edit(tmp_path: Path, statement: str) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        for name in ("audit_is_not_updated", "audit_is_not_deleted"):
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
    connection.close()


def test_a_person_sees_the_decisions_on_the_dags_that_airflow_shows(client: TestClient, decided: Ledger) -> None:
    page = client.get("/sub/millrace/audit").text
    assert "it is better" in page
    assert "Ada &lt;b&gt;" in page
    assert "a secret" not in page
    assert "file:///store" not in page
    assert "whole" in page
    assert client.get("/sub/millrace/audit?dag_id=gossip").status_code == 403


def test_what_concerns_the_site_is_for_who_may_read_all(client: TestClient, decided: Ledger, manager: Everyone) -> None:
    manager.reads_all = True
    assert "file:///store" in client.get("/sub/millrace/audit").text
    assert "file:///store" not in client.get("/sub/millrace/audit?dag_id=news").text


def test_strangers_see_nothing(anonymous: TestClient, decided: Ledger) -> None:
    assert anonymous.get("/sub/millrace/audit").status_code == 401


def test_pages_are_bounded(client: TestClient, decided: Ledger) -> None:
    for number in range(60):
        decided.record_decision(Decision("promote", f"version {number}", ADA, "x", dag_id="news"))
    page = client.get("/sub/millrace/audit?dag_id=news").text
    assert page.count("<tr id=") == 50
    older = client.get("/sub/millrace/audit?dag_id=news&before=15").text
    assert "version 59" in page
    assert "version 9<" not in page
    assert "version 9<" in older
    assert client.get("/sub/millrace/audit?before=x").status_code == 422


def test_a_broken_chain_is_said(client: TestClient, decided: Ledger, tmp_path: Path) -> None:
    edit(tmp_path, "UPDATE audit SET reason = 'nothing' WHERE subject = 'v1'")
    page = client.get("/sub/millrace/audit").text
    assert "broken at row 2" in page
    assert "it was edited" in page


def test_the_command_prints_and_checks(client: TestClient, decided: Ledger, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(commands, ["audit", "--dag-id", "news"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert "promote   done    v1  by Ada <b>  (news): it is better -> v1 is live" in lines[0]
    assert "trigger" in lines[1]
    digest = decided.check_audit().digest
    assert digest in done.stderr
    rows = json.loads(runner.invoke(commands, ["audit", "--output", "json", "--limit", "1"]).stdout)
    assert [row["digest"] for row in rows] == [digest]
    assert runner.invoke(commands, ["audit", "--expect", digest]).exit_code == 0
    assert runner.invoke(commands, ["audit", "--expect", "f" * 64]).exit_code == 1
    edit(tmp_path, "DELETE FROM audit WHERE subject = 'v9'")
    done = runner.invoke(commands, ["audit"])
    assert done.exit_code == 1
    assert "broken at row 3: row 3 is missing" in done.stderr


def test_sqlite_has_no_roles(client: TestClient, decided: Ledger) -> None:
    done = CliRunner().invoke(commands, ["grant", "somebody"])
    assert done.exit_code == 1
    assert "SQLite has no roles" in str(done.exception)
