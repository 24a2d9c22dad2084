"""Every way to end a task in Airflow ends its process, at a checkpoint, with its joules in the ledger."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tenacity import retry, stop_after_attempt, wait_fixed

from millrace.runs.run import run_folder_uri
from tests.e2e.conftest import AirflowEnv
from tests.e2e.ways_to_end import WAYS, mark_run

DAG, HASTY = "machine_stopped", "machine_hasty"
DAY = date(2026, 4, 20)
# what Airflow takes to tell the task, and the grace of a step, are part of it
STOPPED_WITHIN_SECONDS = 60


def trainers(airflow_env: AirflowEnv, dag_id: str, run_id: str) -> list[psutil.Process]:
    """A run's living training steps."""
    folder = run_folder_uri(airflow_env.store.as_uri(), dag_id, run_id)
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if f"{folder}/train/try-" in (command := " ".join(process.info["cmdline"] or []))
        and "millrace_train" in command
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def client_of(airflow_env: AirflowEnv) -> httpx.Client:
    return httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)


@retry(stop=stop_after_attempt(5), wait=wait_fixed(1), reraise=True)
def done(client: httpx.Client, method: str, path: str, **asked: object) -> Any:
    """What Airflow answers, once its database is not busy with something else."""
    return client.request(method, f"/api/v2/{path}", json=asked or None).raise_for_status()


def clear(client: httpx.Client, dag_id: str, run_id: str) -> None:
    asked = {"dag_run_id": run_id, "task_ids": ["train"], "dry_run": False, "only_failed": False}
    done(client, "POST", f"dags/{dag_id}/clearTaskInstances", **asked)


class Training:
    """A run in the middle of a training that would go on for many minutes."""

    def __init__(self, airflow_env: AirflowEnv, dag_id: str, run_id: str) -> None:
        self.airflow_env, self.dag_id, self.run_id = airflow_env, dag_id, run_id
        self.client = client_of(airflow_env)
        airflow_env.wait(self._under_way, "a training that has used something", timeout_seconds=240)
        self.process = trainers(airflow_env, dag_id, run_id)[0]
        self.attempt = self._attempt(self.process)

    def clear(self) -> None:
        """Have the training begin again, as a person does in the UI."""
        clear(self.client, self.dag_id, self.run_id)

    def await_end(self) -> dict[str, Any]:
        """Wait until the process has ended and its try is in the ledger; returns the try's row."""
        self.airflow_env.wait(lambda: not self.process.is_running(), "the process's end", STOPPED_WITHIN_SECONDS)
        return dict(self.airflow_env.wait(self._row, "its row in the ledger", 20))

    def _row(self) -> dict[str, Any] | None:
        number = int(self.attempt.name.removeprefix("try-"))
        repeat = self.airflow_env.ledger.last_repeat(self.dag_id, self.run_id)
        for row in [
            row for each in range(repeat + 1) for row in self.airflow_env.ledger.tries(self.dag_id, self.run_id, each)
        ]:
            # what a listener counted while the process still worked is followed by all of it
            whole = row["joules"] and "interrupted" in row["reason"] + row["outcome"]
            if (row["task_id"], row["try_number"]) == ("train", number) and (whole or "longer than" in row["reason"]):
                return dict(row)
        return None

    def _under_way(self) -> bool:
        found = trainers(self.airflow_env, self.dag_id, self.run_id)
        if not found:
            return False
        attempt = self._attempt(found[0])
        began_at = (attempt / "spec.json").stat().st_mtime
        # one of its own: from then on it looks for the signal after each step
        saved = any(path.stat().st_mtime > began_at + 1 for path in attempt.parent.glob("state-*/checkpoint-*"))
        return saved and (attempt / "meter.json").exists()

    @staticmethod
    def _attempt(process: psutil.Process) -> Path:
        return Path(process.cwd())


@pytest.fixture(scope="module")
def train(airflow_env: AirflowEnv) -> Callable[..., Training]:
    """A run in its training; one that was trained for an earlier test begins its training again."""
    runs: dict[str, str] = {}

    def begin(dag_id: str = DAG) -> Training:
        if dag_id not in runs:
            airflow_env.deliver(DAY, workload=dag_id, rows=3000)
            days = {"partition_from": f"{DAY}", "partition_to": f"{DAY}"}
            runs[dag_id] = airflow_env.run(dag_id, **days, epochs=100, batch_size=1)
        elif not trainers(airflow_env, dag_id, runs[dag_id]):
            clear(client_of(airflow_env), dag_id, runs[dag_id])
        return Training(airflow_env, dag_id, runs[dag_id])

    return begin


IN_CI = ("task marked successful", "run marked failed", "task cleared")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", [pytest.param(way, marks=() if way in IN_CI else pytest.mark.long) for way in WAYS])
def test_a_training_that_is_ended_in_airflow_stops_and_is_booked(
    train: Callable[..., Training], airflow_env: AirflowEnv, way: str
) -> None:
    training = train()
    WAYS[way](training)
    row = training.await_end()
    assert "its task was ended in Airflow; it ended with 'interrupted': asked to stop" in row["reason"]
    assert row["joules"] > 0
    assert row["wall_seconds"] > 0
    if airflow_env.api.run_state(DAG, training.run_id) not in ("success", "failed"):
        mark_run("failed")(training)  # a DAG trains once at a time, and the next test may train in another run


@pytest.mark.timeout(600)
def test_a_training_that_takes_longer_than_it_may_stops_and_is_booked(train: Callable[..., Training]) -> None:
    training = train(HASTY)
    training.airflow_env.wait(
        lambda: not training.process.is_running(), "the end of its time", 90 + STOPPED_WITHIN_SECONDS
    )
    row = training.await_end()
    mark_run("failed")(training)
    assert "it took longer than" in row["reason"]
    assert row["joules"] > 0


@pytest.mark.timeout(600)
def test_a_cancelled_backfill_ends_with_the_runs_that_it_had_begun(
    train: Callable[..., Training], airflow_env: AirflowEnv
) -> None:
    day = DAY + timedelta(days=1)
    airflow_env.deliver(day, workload=DAG, rows=3000)
    airflow_env.api.await_dag(DAG)
    airflow_env.api.unpause(DAG)
    client = client_of(airflow_env)
    asked = {"dag_id": DAG, "from_date": f"{day}T00:00:00Z", "to_date": f"{day}T00:00:00Z", "max_active_runs": 1}
    conf = {"epochs": 100, "batch_size": 1}
    backfill = done(client, "POST", "backfills", **asked, dag_run_conf=conf).json()["id"]
    runs = client.get(f"/api/v2/dags/{DAG}/dagRuns", params={"run_type": "backfill"}).raise_for_status().json()
    (run_id,) = [run["dag_run_id"] for run in runs["dag_runs"] if run["state"] in ("queued", "running")]
    training = Training(airflow_env, DAG, run_id)
    done(client, "PUT", f"backfills/{backfill}/cancel")
    row = training.await_end()
    assert "ended in Airflow" in row["reason"]
    airflow_env.wait(lambda: airflow_env.api.run_state(DAG, run_id) == "failed", "the run's end", 30)
    summary = airflow_env.summary(run_id, DAG)
    assert (summary["state"], summary["reason"]) == ("failed", "its backfill was cancelled in Airflow")
    assert summary["measured_joules"] >= row["joules"]


@pytest.mark.timeout(600)
def test_a_dag_that_is_paused_and_deleted_leaves_no_training(
    train: Callable[..., Training], airflow_env: AirflowEnv
) -> None:
    training = train()
    client = training.client
    done(client, "PATCH", f"dags/{DAG}", is_paused=True)
    assert client.delete(f"/api/v2/dags/{DAG}").status_code == httpx.codes.CONFLICT, "Airflow deletes what is at work"
    mark_run("failed")(training)
    done(client, "DELETE", f"dags/{DAG}")
    row = training.await_end()
    assert "ended in Airflow" in row["reason"]
    assert row["joules"] > 0
