"""Pods that cannot start end their task within the start budget, with the reason of whoever refused them."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import AirflowEnv

FAULTS, NO_IMAGE = "machine_faults", "no_image"
STEPS = "millrace-steps"


def deliver(airflow_env: AirflowEnv, machine_rows: Any, day: date) -> dict[str, str]:
    """A day's arrivals, and what a run of that day is triggered with."""
    airflow_env.deliver(FAULTS, day, "\n".join(machine_rows(day, 240)) + "\n")
    return {"partition_from": f"{day}", "partition_to": f"{day}"}


def assert_refused(
    airflow_env: AirflowEnv, await_: Any, dag_id: str, run_id: str, step: str, said: str, budget_seconds: int
) -> None:
    """The run, its task and the ledger's try end with ``said``; no retry is left of it, and a minute later no pod."""
    row = airflow_env.finish(dag_id, run_id)
    assert row["state"] == "failed", row
    assert said in row["reason"], row["reason"]
    task = airflow_env.api.tasks(dag_id, run_id)[step]
    assert (task["state"], task["try_number"]) == ("failed", 1)
    # the budget, what is left of a wait between two looks, and the task's own beginning and end
    assert float(task["duration"]) < budget_seconds + 30, f"{task['duration']} s"
    tries = [each for each in airflow_env.ledger.tries(dag_id, run_id, 0) if each["task_id"] == step]
    assert [each["outcome"] for each in tries] == ["lost"]
    assert said in tries[0]["reason"]
    assert tries[0]["process_uid"].startswith(f"pod:{STEPS}/")
    # deleted it is, but the kubelet has the sandbox to end before the API server forgets the pod
    of_step = f"app.kubernetes.io/component={step}"
    await_(lambda: not airflow_env.site.pods_of(run_id, of_step), "the pod gone", timeout_seconds=60)


@pytest.mark.timeout(600)
def test_a_pod_that_no_node_takes_ends_with_the_schedulers_reason(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any, start_budget_seconds: int
) -> None:
    run_id = airflow_env.trigger(FAULTS, hardware="nowhere", **deliver(airflow_env, machine_rows, date(2026, 4, 6)))
    said = "Unschedulable: "
    assert_refused(airflow_env, await_, FAULTS, run_id, "train", said, start_budget_seconds)
    assert "didn't match Pod's node affinity/selector" in airflow_env.ledger.run_summary(FAULTS, run_id)[0]["reason"]


@pytest.mark.timeout(600)
def test_an_image_that_cannot_be_pulled_ends_with_the_kubelets_reason(
    airflow_env: AirflowEnv, await_: Any, start_budget_seconds: int
) -> None:
    run_id = airflow_env.trigger(NO_IMAGE, partition_from="2026-04-11", partition_to="2026-04-11")
    assert_refused(airflow_env, await_, NO_IMAGE, run_id, "ingest", "/of-nobody:", start_budget_seconds)
    reason = airflow_env.ledger.run_summary(NO_IMAGE, run_id)[0]["reason"]
    assert "ImagePullBackOff" in reason or "ErrImagePull" in reason, reason


@pytest.fixture
def no_quota(airflow_env: AirflowEnv, await_: Any) -> Iterator[str]:
    """A namespace that has no room for another pod."""
    name = "none-left"
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": STEPS},
        "spec": {"hard": {"pods": "0"}},
    }
    airflow_env.site.kubectl("apply", "-f", "-", given=yaml.safe_dump(quota))
    try:
        await_(
            lambda: [
                each
                for each in airflow_env.site.objects("resourcequotas", STEPS)
                if each["metadata"]["name"] == name and each.get("status", {}).get("hard")
            ],
            "the quota in force",
        )
        yield name
    finally:
        airflow_env.site.kubectl("-n", STEPS, "delete", "resourcequota", name)


@pytest.mark.timeout(600)
def test_a_quota_without_room_ends_with_the_api_servers_reason(
    airflow_env: AirflowEnv, await_: Any, machine_rows: Any, no_quota: str, start_budget_seconds: int
) -> None:
    run_id = airflow_env.trigger(FAULTS, **deliver(airflow_env, machine_rows, date(2026, 4, 12)))
    assert_refused(airflow_env, await_, FAULTS, run_id, "ingest", f"exceeded quota: {no_quota}", start_budget_seconds)
