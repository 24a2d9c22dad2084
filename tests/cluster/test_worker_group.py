"""Two training pods that work together: one model, and the loss of one of them costs no retry."""

import re
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.report import TrainResult
from tests.cluster.conftest import AirflowEnv

DAG = "machine_kill"
TRAINING = "app.kubernetes.io/component=train"
INDEX = "batch.kubernetes.io/job-completion-index"


def workers(airflow_env: AirflowEnv, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Names of the running training pods by index, but those named."""
    pods = airflow_env.site.objects("pods", "millrace-steps", TRAINING)
    return {
        pod["metadata"]["labels"][INDEX]: pod["metadata"]["name"]
        for pod in pods
        if pod["status"].get("phase") == "Running" and pod["metadata"]["name"] not in but
    }


def said(airflow_env: AirflowEnv, pod: str, text: str) -> bool:
    return text in airflow_env.site.kubectl("-n", "millrace-steps", "logs", pod, check=False)


@pytest.mark.timeout(900)
def test_a_lost_worker_is_resumed_with_the_others_and_all_end_with_equal_weights(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any, tmp_path: Path
) -> None:
    # each worker asks for a core; what earlier tests left serving has its own
    airflow_env.site.kubectl("-n", "millrace-serving", "scale", "deployments", "--all", "--replicas=0", check=False)
    day = date(2026, 5, 1)
    airflow_env.deliver(DAG, day, "\n".join(machine_rows(day, 300)) + "\n")
    run_id = airflow_env.trigger(
        DAG, partition_from=f"{day}", partition_to=f"{day}", epochs=30, batch_size=4, workers=2, train="always"
    )
    first = await_(lambda: len(found := workers(airflow_env)) == 2 and found, "two workers", 300)
    services = airflow_env.site.objects("services", "millrace-steps")
    assert [service["spec"]["clusterIP"] for service in services] == ["None"]
    await_(lambda: said(airflow_env, first["0"], ", loss "), "a step", 120)
    airflow_env.site.kubectl("-n", "millrace-steps", "delete", "pod", first["1"], "--wait=false")

    second = await_(lambda: len(found := workers(airflow_env, tuple(first.values()))) == 2 and found, "two more", 120)
    logs = {}
    for index, pod in second.items():
        logs[index] = (tmp_path / f"{index}.log").open("w+")
        command = ["kubectl", "--kubeconfig", airflow_env.site.kubeconfig, "-n", "millrace-steps", "logs", "-f", pod]
        subprocess.Popen(command, stdout=logs[index], stderr=subprocess.STDOUT)

    def answered() -> bool:
        if airflow_env.api.tasks(DAG, run_id)["approve"]["state"] == "awaiting_input":
            airflow_env.api.decide(DAG, run_id, "Reject")
        return airflow_env.api.run_state(DAG, run_id) in ("success", "failed")

    await_(answered, "the run's end", 500, 1)
    row = airflow_env.finish(DAG, run_id)
    assert row["state"] == "rejected", row
    weights = {}
    for index, log in logs.items():
        log.seek(0)
        text = log.read()
        assert "going on from checkpoint" in text
        found = re.search(r"ends with weights ([0-9a-f]{64})", text)
        assert found, text
        weights[index] = found[1]
    assert weights["0"] == weights["1"]
    tries = [each for each in airflow_env.ledger.tries(DAG, run_id, 0) if each["task_id"] == "train"]
    assert [each["outcome"] for each in tries if each["process_uid"] != "adopted"][-1] == "ok"
    assert {each["try_number"] for each in tries} == {1}, "the loss used up a retry"
    trained = airflow_env.ledger.committed_report(DAG, run_id, "train")
    assert isinstance(trained.result, TrainResult)
    assert trained.result.resumed_from_step > 0
    # both workers' processor time is in the leader's row: each was busy nearly all the time that they worked together
    assert trained.meter.cpu_seconds > 0
    await_(lambda: not airflow_env.site.objects("pods", "millrace-steps", TRAINING), "no pod left", 60)
    assert not airflow_env.site.objects("jobs", "millrace-steps")
    await_(lambda: not airflow_env.site.objects("services", "millrace-steps"), "the service is gone with its job", 60)


@pytest.mark.timeout(600)
def test_a_worker_group_that_does_not_fit_ends_with_the_schedulers_reason(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any
) -> None:
    day = date(2026, 5, 2)
    airflow_env.deliver(DAG, day, "\n".join(machine_rows(day, 310)) + "\n")
    run_id = airflow_env.trigger(DAG, partition_from=f"{day}", partition_to=f"{day}", workers=3, train="always")
    row = airflow_env.finish(DAG, run_id)
    assert row["state"] == "failed"
    assert "Unschedulable" in row["reason"], row["reason"]
    assert "Insufficient" in row["reason"]
    await_(lambda: not airflow_env.site.objects("pods", "millrace-steps", TRAINING), "no pod left", 60)
