"""Every way to end a task in Airflow ends its pods, at a checkpoint, with their joules in the ledger."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from tests.cluster.conftest import AirflowEnv
from tests.e2e.ways_to_end import WAYS, mark_run

DAG, HASTY = "machine_stopped", "machine_hasty"
DAY = date(2026, 4, 20)
# what Airflow takes to tell the triggerer, and the grace of a step, are part of it
STOPPED_WITHIN_SECONDS = 60
_OVER = ("Succeeded", "Failed")


class Training:
    """A run in the middle of a training that would go on for many minutes, in one pod or in two."""

    def __init__(self, airflow_env: AirflowEnv, await_: Any, dag_id: str, run_id: str) -> None:
        self.airflow_env, self.await_, self.dag_id, self.run_id = airflow_env, await_, dag_id, run_id
        self.client = httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)
        self.pods = {each["metadata"]["name"] for each in await_(self._under_way, "a training at work", 600)}
        # a reading of its meter, and a checkpoint, are there by then
        await_(lambda: all(self._said(pod, "step ") for pod in sorted(self.pods)[:1]), "steps", 120)

    def clear(self) -> None:
        """Have the training begin again, as a person does in the UI."""
        clear(self.client, self.dag_id, self.run_id)

    def await_end(self) -> dict[str, Any]:
        """Wait until the pods have ended and their try is in the ledger; returns the try's row."""
        self.await_(lambda: not self._left(), "the pods' end", STOPPED_WITHIN_SECONDS)
        return dict(self.await_(self._row, "its row in the ledger", STOPPED_WITHIN_SECONDS))

    def _left(self) -> set[str]:
        found = self.airflow_env.site.objects("pods", "millrace-steps", "app.kubernetes.io/component=train")
        return self.pods & {each["metadata"]["name"] for each in found if each["status"].get("phase") not in _OVER}

    def _under_way(self) -> list[dict[str, Any]]:
        found = self.airflow_env.site.pods_of(self.run_id, "app.kubernetes.io/component=train")
        at_work = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        running = [each for each in at_work if each["status"].get("phase") == "Running"]
        return running if len(running) == len(at_work) else []

    def _said(self, pod: str, text: str) -> bool:
        return text in self.airflow_env.site.kubectl("-n", "millrace-steps", "logs", pod, check=False)

    def _row(self) -> dict[str, Any] | None:
        for repeat in range(self.airflow_env.ledger.last_repeat(self.dag_id, self.run_id) + 1):
            for row in self.airflow_env.ledger.tries(self.dag_id, self.run_id, repeat):
                if row["process_uid"].rpartition("/")[2] in self.pods and row["joules"]:
                    return dict(row)
        return None


def clear(client: httpx.Client, dag_id: str, run_id: str) -> None:
    asked = {"dag_run_id": run_id, "task_ids": ["train"], "dry_run": False, "only_failed": False}
    client.post(f"/api/v2/dags/{dag_id}/clearTaskInstances", json=asked).raise_for_status()


@pytest.fixture(scope="module")
def train(airflow_env: AirflowEnv, await_: Any, machine_rows: Any) -> Callable[..., Training]:
    """A run in its training; one that was trained for an earlier test begins its training again."""
    runs: dict[tuple[str, int], str] = {}
    airflow_env.ledger.learn_memory(DAG, "validate", 1 << 30)
    airflow_env.ledger.learn_memory(HASTY, "validate", 1 << 30)

    def begin(dag_id: str = DAG, workers: int = 1) -> Training:
        if (dag_id, workers) in runs:
            client = httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)
            run_id = runs[dag_id, workers]
            if not airflow_env.site.pods_of(run_id, "app.kubernetes.io/component=train"):
                clear(client, dag_id, run_id)
        else:
            day = DAY + timedelta(days=workers)
            airflow_env.deliver(dag_id, day, "\n".join(machine_rows(day, 3000)) + "\n")
            days = {"partition_from": f"{day}", "partition_to": f"{day}"}
            asked = {**days, "epochs": 100, "batch_size": 1, "workers": workers, "train": "always"}
            run_id = runs[dag_id, workers] = airflow_env.trigger(dag_id, **asked)
        return Training(airflow_env, await_, dag_id, run_id)

    return begin


pytestmark = pytest.mark.long


@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", WAYS)
def test_pods_of_a_training_that_is_ended_in_airflow_stop_and_are_booked(
    train: Callable[..., Training], way: str
) -> None:
    training = train()
    WAYS[way](training)
    row = training.await_end()
    assert "asked to stop" in row["reason"]
    assert row["wall_seconds"] > 0
    if training.airflow_env.api.run_state(DAG, training.run_id) not in ("success", "failed"):
        mark_run("failed")(training)  # a DAG trains once at a time, and the next test may train in another run


@pytest.mark.timeout(900)
def test_a_worker_group_ended_in_airflow_stops_and_is_booked(train: Callable[..., Training], await_: Any) -> None:
    training = train(workers=2)
    assert len(training.pods) == 2
    mark_run("failed")(training)
    row = training.await_end()
    assert row["joules"] > 0
    await_(lambda: not training.airflow_env.site.objects("jobs", "millrace-steps"), "no job left", 60)


@pytest.mark.timeout(900)
def test_a_training_that_takes_longer_than_it_may_stops_and_is_booked(
    train: Callable[..., Training], await_: Any
) -> None:
    training = train(HASTY)
    await_(lambda: not training._left(), "the end of its time", 90 + STOPPED_WITHIN_SECONDS)
    row = training.await_end()
    mark_run("failed")(training)
    assert "took longer than" in row["reason"]


@pytest.mark.timeout(900)
def test_a_cancelled_backfill_ends_with_the_runs_that_it_had_begun(
    train: Callable[..., Training], airflow_env: AirflowEnv, await_: Any, machine_rows: Any
) -> None:
    day = DAY + timedelta(days=5)
    airflow_env.deliver(DAG, day, "\n".join(machine_rows(day, 3000)) + "\n")
    airflow_env.api.await_dag(DAG)
    airflow_env.api.unpause(DAG)
    client = httpx.Client(base_url=airflow_env.airflow.url, headers=airflow_env.api.headers, timeout=60)
    asked = {"dag_id": DAG, "from_date": f"{day}T00:00:00Z", "to_date": f"{day}T00:00:00Z", "max_active_runs": 1}
    conf = {"epochs": 100, "batch_size": 1, "train": "always"}
    backfill = client.post("/api/v2/backfills", json={**asked, "dag_run_conf": conf}).raise_for_status().json()["id"]
    runs = client.get(f"/api/v2/dags/{DAG}/dagRuns", params={"run_type": "backfill"}).raise_for_status().json()
    (run_id,) = [run["dag_run_id"] for run in runs["dag_runs"] if run["state"] in ("queued", "running")]
    training = Training(airflow_env, await_, DAG, run_id)
    client.put(f"/api/v2/backfills/{backfill}/cancel").raise_for_status()
    training.await_end()
    summary = airflow_env.ledger.run_summary(dag_id=DAG, run_id=run_id)[0]
    assert (summary["state"], summary["reason"]) == ("failed", "its backfill was cancelled in Airflow")


@pytest.mark.timeout(900)
def test_a_dag_that_is_paused_and_deleted_leaves_no_pod(train: Callable[..., Training]) -> None:
    training = train()
    training.client.patch(f"/api/v2/dags/{DAG}", json={"is_paused": True}).raise_for_status()

    def deleted() -> bool:
        # a task that reads its pod's log just then is running, and Airflow refuses
        return training.client.delete(f"/api/v2/dags/{DAG}").is_success

    training.await_(deleted, "the DAG deleted", 60)
    row = training.await_end()
    assert row["joules"] > 0

    def closed() -> bool:  # comes after the row
        summary = training.airflow_env.ledger.run_summary(dag_id=DAG, run_id=training.run_id)[0]
        return (summary["state"], summary["reason"]) == ("failed", "its run was deleted in Airflow")

    training.await_(closed, "the run closed", STOPPED_WITHIN_SECONDS)
