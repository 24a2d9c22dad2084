"""Who did what: each decision and refusal is in the audit once, and a row that was changed is found."""

import json
import re
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import AirflowEnv

DAG = "machine_audit"
DAY = date(2026, 5, 4)
# whoever triggers at a shell is the system's user, and no user of Airflow's
SHELL_RUN = "manual__at_a_shell"


def audit(airflow_env: AirflowEnv, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "millrace", "ledger", "audit", *arguments],
        env={**airflow_env.airflow.environment(), **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def asks(airflow_env: AirflowEnv, run_id: str) -> bool:
    return bool(airflow_env.api.tasks(DAG, run_id)["approve"]["state"] == "awaiting_input")


def refusals(airflow_env: AirflowEnv) -> list[dict[str, Any]]:
    return [row for row in airflow_env.ledger.audit(DAG) if row["outcome"] == "refused"]


def change(airflow_env: AirflowEnv, what: str, version: str, reason: str) -> int:
    """A person's change on the page Models; the answer's status."""
    with httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=120) as client:
        address = f"/millrace/models/{what}?dag_id={DAG}&version={version}"
        token = re.search(r'name="token" value="([^"]+)"', client.get(address).raise_for_status().text)
        assert token
        return client.post(address, data={"token": token[1], "reason": reason}).status_code


@pytest.mark.timeout(900)
def test_each_decision_is_in_the_audit_once_and_a_changed_row_is_found(airflow_env: AirflowEnv, tmp_path: Path) -> None:
    airflow_env.deliver(DAY, workload=DAG, rows=300)
    days = {"partition_from": f"{DAY}", "partition_to": f"{DAY}"}

    own = airflow_env.run(DAG, **days)  # by admin
    airflow_env.wait(lambda: asks(airflow_env, own), "the gate's question")
    airflow_env.api.decide(DAG, own, "Approve")  # by admin, too
    airflow_env.wait(lambda: refusals(airflow_env), "the refusal of one's own approval")
    airflow_env.wait(lambda: asks(airflow_env, own), "the question again")
    airflow_env.api.mark_task(DAG, own, "approve", "success")  # which is no answer
    row = airflow_env.finish(own, DAG)
    assert row["state"] == "rolled_back", row
    assert "nobody has approved this candidate" in row["reason"]
    assert airflow_env.ledger.live_model(DAG) is None

    airflow_env.deliver(DAY, workload=DAG, rows=330)
    airflow_env.command("dags", "trigger", DAG, "--run-id", SHELL_RUN, "--conf", json.dumps(days))
    airflow_env.wait(lambda: SHELL_RUN in {row["run_id"] for row in airflow_env.ledger.open_runs(DAG)}, "the run")
    airflow_env.wait(lambda: asks(airflow_env, SHELL_RUN), "the gate's question")
    airflow_env.api.decide(DAG, SHELL_RUN, "Approve")
    second = airflow_env.finish(SHELL_RUN, DAG)
    assert second["state"] == "success", second

    mine, theirs = row["model_version"], second["model_version"]
    assert change(airflow_env, "promote", mine, "I like it better") == 409
    assert change(airflow_env, "roll_back", theirs, "it answers nonsense") == 303
    assert change(airflow_env, "readmit", theirs, "it was the client") == 303

    done = audit(airflow_env, "--dag-id", DAG, "--output", "json")
    assert done.returncode == 0, done.stderr
    assert len([each for each in airflow_env.ledger.audit() if each["dag_id"] is None]) == 1, (
        "the site's settings, once"
    )
    assert "each as it was written" in done.stderr
    rows = list(reversed(json.loads(done.stdout)))
    # the DAG was unpaused before the ledger knew it: that is told at some later look
    (unpaused,) = [each for each in rows if each["action"] == "pause"]
    assert (unpaused["actor"], unpaused["effect"]) == ("admin", "patch_dag: is_paused: False")
    rows.remove(unpaused)
    # by whichever run came first: the schedule has one for today, too
    (settings,) = [each for each in rows if each["action"] == "settings"]
    assert (settings["outcome"], settings["subject"]) == ("done", f"workload {DAG}")
    assert settings["actor"] == f"{DAG} / {own}" or settings["actor"].startswith(f"{DAG} / scheduled__")
    rows.remove(settings)
    shell = next(each["actor"] for each in rows if each["subject"] == SHELL_RUN)
    assert shell not in ("admin", "Airflow")
    ui = "admin in Airflow's UI"
    assert [(each["action"], each["outcome"], each["subject"], each["actor"]) for each in rows] == [
        ("trigger", "done", own, "admin"),
        ("approve", "refused", "gate", "admin"),
        ("mark", "asked", "approve", "admin"),
        ("step", "refused", "roll_out", f"{DAG} / {own}"),
        ("trigger", "done", SHELL_RUN, shell),
        ("approve", "done", "gate", "admin"),
        ("promote", "done", theirs, f"{DAG} / {SHELL_RUN}"),
        ("promote", "refused", mine, ui),
        ("roll_back", "done", theirs, ui),
        ("readmit", "done", theirs, ui),
    ]
    assert "admin triggered the run, and may not" in rows[1]["effect"]
    assert "new_state: success" in rows[2]["effect"]

    with httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60) as client:
        page = client.get("/millrace/audit", params={"dag_id": DAG}).raise_for_status().text
    assert page.count("it answers nonsense") == 1
    assert "whole" in page

    edited = tmp_path / "edited.db"
    with sqlite3.connect(airflow_env.airflow.home / "ledger.db") as original, sqlite3.connect(edited) as connection:
        original.backup(connection)
        with pytest.raises(sqlite3.IntegrityError, match="inserted only"):
            connection.execute("UPDATE audit SET actor = 'nobody'")
        connection.execute("DROP TRIGGER audit_is_not_updated")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = ?", (rows[2]["sequence"],))
    original.close()
    connection.close()
    done = audit(airflow_env, MILLRACE_LEDGER_URL=f"sqlite:///{edited}")
    assert done.returncode == 1
    assert f"broken at row {rows[2]['sequence']}: its fields are not those" in done.stderr
