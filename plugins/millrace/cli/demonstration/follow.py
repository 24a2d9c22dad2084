"""Trigger a run through Airflow's REST API and print one line per task."""

import re
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from millrace.contracts.tasks import ENDED, TASKS
from millrace.launchers.process import LOG_FILE

_POLL_SECONDS = 1.0
_PERSON_SECONDS = 3.0
_SIGN_OF_LIFE_SECONDS = 30.0
# a step's log lines begin with date and time; libraries print other lines between them
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_STAMP = len("2026-01-01 00:00:00,000 ")
_MARK = {"success": "ok", "skipped": "--", "failed": "FAILED", "upstream_failed": "not run"}


def _passes(error: BaseException) -> bool:
    """Return whether a request can be repeated: its answer was lost, or the server had an error (a busy database)."""
    return isinstance(error, httpx.TransportError) or (
        isinstance(error, httpx.HTTPStatusError) and error.response.is_server_error
    )


_AGAIN = retry(retry=retry_if_exception(_passes), stop=stop_after_attempt(5), wait=wait_random(0, 2), reraise=True)


class Reachable(Protocol):
    """An Airflow that uses the simple auth manager."""

    @property
    def url(self) -> str:
        """URL of the UI and the REST API."""

    def password(self) -> str:
        """Return the password of the user admin."""


class AirflowApi:
    """Client of Airflow's REST API with the calls that the demonstration needs, as the user admin."""

    def __init__(self, airflow: Reachable) -> None:
        self._client = httpx.Client(base_url=airflow.url, timeout=60)
        answer = self._client.post("/auth/token", json={"username": "admin", "password": airflow.password()})
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @property
    def headers(self) -> dict[str, str]:
        """Header that authorizes a request as the user."""
        return {"Authorization": self._client.headers["Authorization"]}

    def await_dag(self, dag_id: str, timeout_seconds: float = 120) -> None:
        """Wait until Airflow has parsed the DAG. Raises TimeoutError, with the import errors, after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while self._client.get(f"/api/v2/dags/{dag_id}").status_code != 200:
            if time.monotonic() > deadline:
                errors = self._client.get("/api/v2/importErrors").json().get("import_errors", [])
                raise TimeoutError(f"Airflow does not know the DAG {dag_id}; import errors: {errors}")
            time.sleep(_POLL_SECONDS)

    def unpause(self, dag_id: str) -> None:
        """Unpause the DAG."""
        self._patch(f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, object]) -> str:
        """Unpause the DAG, start a run and return its id. Raises httpx.HTTPStatusError if parameters are refused."""
        self.unpause(dag_id)
        run_id = f"manual__{datetime.now(UTC).isoformat()}_{secrets.token_hex(4)}"
        self._post_run(dag_id, {"dag_run_id": run_id, "conf": conf, "logical_date": None})
        return run_id

    @_AGAIN
    def _patch(self, path: str, change: dict[str, object]) -> None:
        self._client.patch(path, json=change).raise_for_status()

    @_AGAIN
    def _post_run(self, dag_id: str, run: dict[str, object]) -> None:
        answer = self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=run)
        # a conflict means that an earlier request made the run and only its answer was lost
        if answer.is_error and answer.status_code != httpx.codes.CONFLICT:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the DAG run's state."""
        return str(self._client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"])

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        """Set the run's state, as a person does; this ends its tasks."""
        self._patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", {"state": state})

    def mark_task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Set one task's state, as a person does."""
        self._patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", {"new_state": state})

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the run's task instances by task id."""
        answer = self._client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status()
        return {task["task_id"]: task for task in answer.json()["task_instances"]}

    def decide(self, dag_id: str, run_id: str, option: str, task_id: str = "approve") -> None:
        """Answer the approval request of a waiting task: "Approve" or "Reject"."""
        # If the answer comes before Airflow 3.3's executor has seen the task pause, Airflow treats the task as ended
        # from outside and retries it, and the answer is lost. A person is never that fast.
        time.sleep(_PERSON_SECONDS)
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self._patch(path, {"chosen_options": [option]})

    def backfills_running(self, dag_id: str) -> bool:
        """Return whether a backfill of this DAG has not completed; until then Airflow accepts no second one."""
        answer = self._client.get("/api/v2/backfills", params={"dag_id": dag_id}).raise_for_status()
        return any(backfill["completed_at"] is None for backfill in answer.json()["backfills"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> float:
        """Return a task's return value (XCom) as a number."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return float(self._client.get(path).raise_for_status().json()["value"])


def follow(api: AirflowApi, dag_id: str, run_id: str, runs: Path) -> str:
    """Print a line when a task ends, and every 30 s without one the running task's last log line.

    Returns the run's final state. ``runs`` is the folder with the runs' logs.
    """
    shown: set[str] = set()
    spoke_at = time.monotonic()
    while True:
        state = api.run_state(dag_id, run_id)
        tasks = api.tasks(dag_id, run_id)
        for name in TASKS:
            task = tasks.get(name)
            if task and name not in shown and task["state"] in ENDED:
                shown.add(name)
                _say(f"  {name:<26}{_duration(task):>10}  {_MARK.get(str(task['state']), task['state'])}")
                spoke_at = time.monotonic()
        if time.monotonic() - spoke_at > _SIGN_OF_LIFE_SECONDS:
            for line in _at_work(tasks, runs):
                _say(f"    {line}")
            spoke_at = time.monotonic()
        if state in ("success", "failed"):
            return state
        time.sleep(_POLL_SECONDS)


def _at_work(tasks: dict[str, dict[str, object]], runs: Path) -> Iterator[str]:
    for name, task in tasks.items():
        if task["state"] == "awaiting_input":
            yield f"{name}: waits for a person, in the UI under Required Actions"
        if task["state"] != "running":
            continue
        logs = sorted(runs.glob(f"*/{name}/try-*/{LOG_FILE}"), key=lambda log: log.stat().st_mtime)
        lines = logs[-1].read_text(errors="replace").splitlines() if logs else []
        messages = [line[_STAMP:] for line in lines if _LOG_LINE.match(line)]
        yield f"{name}: {messages[-1][:110] if messages else 'at work'}"


def _duration(task: dict[str, object]) -> str:
    seconds = task.get("duration")
    return f"{float(str(seconds)):.1f} s" if seconds is not None else ""


def _say(line: str) -> None:
    print(line, flush=True, file=sys.stdout)
