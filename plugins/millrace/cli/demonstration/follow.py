"""Triggers a run through Airflow's REST API and shows one line a task."""

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

from millrace.launchers.process import LOG_FILE

TASKS = (
    "ingest", "validate", "await_earlier_partitions", "size", "await_start", "train", "export", "evaluate", "gate",
    "approve", "roll_out", "watch", "close",
)  # fmt: skip
_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
_POLL_SECONDS = 1.0
_PERSON_SECONDS = 3.0
_SIGN_OF_LIFE_SECONDS = 30.0
# what a step logs begins with date and time; libraries print other lines between
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_STAMP = len("2026-01-01 00:00:00,000 ")
_MARK = {"success": "ok", "skipped": "--", "failed": "FAILED", "upstream_failed": "not run"}


def _passes(error: BaseException) -> bool:
    """A lost answer, or a server whose database was busy for too long: the same request may do better."""
    return isinstance(error, httpx.TransportError) or (
        isinstance(error, httpx.HTTPStatusError) and error.response.is_server_error
    )


_AGAIN = retry(retry=retry_if_exception(_passes), stop=stop_after_attempt(5), wait=wait_random(0, 2), reraise=True)


class Reachable(Protocol):
    """An Airflow with Airflow's simple auth manager."""

    @property
    def url(self) -> str:
        """Its UI and its REST API."""

    def password(self) -> str:
        """That of the user admin."""


class AirflowApi:
    """The few calls that the demonstration needs, with the token of the user admin."""

    def __init__(self, airflow: Reachable) -> None:
        self._client = httpx.Client(base_url=airflow.url, timeout=60)
        answer = self._client.post("/auth/token", json={"username": "admin", "password": airflow.password()})
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request the user's."""
        return {"Authorization": self._client.headers["Authorization"]}

    def await_dag(self, dag_id: str, timeout_seconds: float = 120) -> None:
        """Wait until the DAG processor has the DAG. Raises TimeoutError with the import errors, if any."""
        deadline = time.monotonic() + timeout_seconds
        while self._client.get(f"/api/v2/dags/{dag_id}").status_code != 200:
            if time.monotonic() > deadline:
                errors = self._client.get("/api/v2/importErrors").json().get("import_errors", [])
                raise TimeoutError(f"Airflow does not know the DAG {dag_id}; import errors: {errors}")
            time.sleep(_POLL_SECONDS)

    def unpause(self, dag_id: str) -> None:
        """Let the DAG's runs begin."""
        self._patch(f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, object]) -> str:
        """Start a run and return its id. Raises httpx.HTTPStatusError for parameters that the form refuses."""
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
        # a conflict: the answer to an earlier try was lost, not the run
        if answer.is_error and answer.status_code != httpx.codes.CONFLICT:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """The DAG run's state."""
        return str(self._client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"])

    def mark(self, dag_id: str, run_id: str, state: str) -> None:
        """Set the run's state by hand, which ends its tasks."""
        self._patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", {"state": state})

    def mark_task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Set one task's state by hand."""
        self._patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}", {"new_state": state})

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The run's task instances by task."""
        answer = self._client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status()
        return {task["task_id"]: task for task in answer.json()["task_instances"]}

    def decide(self, dag_id: str, run_id: str, option: str, task_id: str = "approve") -> None:
        """Answer a task's question, the gate's by default, which waits already: "Approve" or "Reject"."""
        # Airflow 3.3 takes an answer that comes before its executor has seen the task pause for a task that was
        # ended from outside: it tries it again, and the answer is lost. No person is that quick.
        time.sleep(_PERSON_SECONDS)
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self._patch(path, {"chosen_options": [option]})

    def backfills_running(self, dag_id: str) -> bool:
        """Whether Airflow still counts a backfill of this DAG as running: it takes no second one until then."""
        answer = self._client.get("/api/v2/backfills", params={"dag_id": dag_id}).raise_for_status()
        return any(backfill["completed_at"] is None for backfill in answer.json()["backfills"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> float:
        """What a task returned, as a number."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return float(self._client.get(path).raise_for_status().json()["value"])


def follow(api: AirflowApi, dag_id: str, run_id: str, runs: Path) -> str:
    """Print a line as each task ends, and a sign of life of the one at work; returns the run's final state."""
    shown: set[str] = set()
    spoke_at = time.monotonic()
    while True:
        state = api.run_state(dag_id, run_id)
        tasks = api.tasks(dag_id, run_id)
        for name in TASKS:
            task = tasks.get(name)
            if task and name not in shown and task["state"] in _ENDED:
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
        said = [line[_STAMP:] for line in lines if _LOG_LINE.match(line)]
        yield f"{name}: {said[-1][:110] if said else 'at work'}"


def _duration(task: dict[str, object]) -> str:
    seconds = task.get("duration")
    return f"{float(str(seconds)):.1f} s" if seconds is not None else ""


def _say(line: str) -> None:
    print(line, flush=True, file=sys.stdout)
