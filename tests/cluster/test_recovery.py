"""Killed and recovered: pods that are deleted or run out of memory; an Airflow that is killed itself."""

import contextlib
import os
import signal
import subprocess
import time
from datetime import UTC, date, datetime
from typing import Any

import httpx
import psutil
import pytest
from kubernetes import client, config, watch

from millrace.contracts.calibration import Calibration
from millrace.sizing.coefficients import CPU
from tests.cluster.conftest import AirflowEnv

KILL, FAULTS, WIDE = "machine_kill", "machine_faults", "machine_wide"
# TensorFlow's libraries, which the kernel drops from memory and reads again: no limit is broken by them
MAPPED_BYTES = 520 << 20


def pods_of(airflow_env: AirflowEnv, run_id: str, step: str) -> list[dict[str, Any]]:
    """The run's pods of one step that have not ended."""
    found = airflow_env.site.objects("pods", "millrace-steps", f"app.kubernetes.io/component={step}")
    stamp = run_id.rsplit("__", 1)[1][:19].replace(":", "")
    return [
        pod
        for pod in found
        if stamp in pod["metadata"]["labels"]["run_id"].replace(":", "")
        and pod["status"].get("phase") in ("Pending", "Running")
        and not pod["metadata"].get("deletionTimestamp")
    ]


def tries_of(airflow_env: AirflowEnv, dag_id: str, run_id: str, step: str) -> list[dict[str, Any]]:
    """What the step's pods did.

    Airflow 3.3 may take a task that was deferred for a moment for lost; the next try takes the report that is there.
    """
    rows = airflow_env.ledger.tries(dag_id, run_id, 0)
    return [row for row in rows if row["task_id"] == step and row["process_uid"] != "adopted"]


def command(process: psutil.Process) -> str:
    """A process's command line; none of one that has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def deliver(airflow_env: AirflowEnv, machine_rows: Any, workload: str, day: date, rows: int) -> None:
    airflow_env.deliver(workload, day, "\n".join(machine_rows(day, rows)) + "\n")


def training(airflow_env: AirflowEnv, run_id: str) -> dict[str, Any] | None:
    """The training pod, once it is past a checkpoint of its own."""
    for pod in pods_of(airflow_env, run_id, "train"):
        text = airflow_env.site.kubectl("-n", "millrace-steps", "logs", pod["metadata"]["name"], check=False)
        if "step " in text:
            return pod
    return None


@pytest.fixture
def begun(airflow_env: AirflowEnv, machine_rows: Any, await_: Any) -> Any:
    """Begin a long training on the cluster; returns the run and its pod, in the middle of it."""

    def begin(day: date, rows: int) -> tuple[str, dict[str, Any]]:
        deliver(airflow_env, machine_rows, KILL, day, rows)
        run_id = airflow_env.trigger(KILL, partition_from=f"{day}", partition_to=f"{day}", epochs=40, batch_size=1)
        pod = await_(lambda: training(airflow_env, run_id), "a training pod at work", 300)
        time.sleep(3)
        return run_id, pod

    return begin


def settle(airflow_env: AirflowEnv, await_: Any, run_id: str, dag_id: str = KILL) -> Any:
    """Let the run come to its question, answer it with no, and return what training reported."""

    def ended() -> bool:
        # asked again, a person answers again: Airflow 3.3 may lose an answer, see AirflowApi.decide
        if airflow_env.api.tasks(dag_id, run_id)["approve"]["state"] == "awaiting_input":
            with contextlib.suppress(httpx.HTTPError):
                airflow_env.api.decide(dag_id, run_id, "Reject")
        return airflow_env.api.run_state(dag_id, run_id) in ("success", "failed")

    await_(ended, "the run's end", 500, 1)
    row = airflow_env.finish(dag_id, run_id)
    assert row["state"] == "rejected", row
    return airflow_env.ledger.committed_report(dag_id, run_id, "train").result


@pytest.mark.timeout(900)
def test_a_deleted_training_pod_is_followed_by_one_that_goes_on_without_a_retry(
    airflow_env: AirflowEnv, begun: Any, await_: Any
) -> None:
    run_id, pod = begun(date(2026, 4, 1), 240)
    airflow_env.site.kubectl("-n", "millrace-steps", "delete", "pod", pod["metadata"]["name"], "--wait=false")
    await_(
        lambda: [p for p in pods_of(airflow_env, run_id, "train") if p["metadata"]["uid"] != pod["metadata"]["uid"]],
        "one",
    )
    assert len(pods_of(airflow_env, run_id, "train")) == 1
    trained = settle(airflow_env, await_, run_id)
    assert trained.resumed_from_step > 0
    tries = tries_of(airflow_env, KILL, run_id, "train")
    assert [row["outcome"] for row in tries] == ["interrupted", "ok"]
    assert {row["try_number"] for row in tries} == {1}
    assert all(row["joules"] for row in tries)


@pytest.mark.outage
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", ["triggerer", "scheduler"])
def test_one_training_goes_on_when_airflow_is_killed(
    airflow_env: AirflowEnv, begun: Any, await_: Any, victim: str
) -> None:
    run_id, pod = begun(date(2026, 4, 2 if victim == "triggerer" else 3), 250 if victim == "triggerer" else 260)
    killed = [
        process
        for process in psutil.Process(airflow_env.pid()).children(recursive=True)
        if f"airflow {victim}" in command(process)
    ]
    assert killed
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    time.sleep(2)
    airflow_env.restart()
    trained = settle(airflow_env, await_, run_id)
    assert trained.resumed_from_step is None, "the pod was followed to its end, not begun anew"
    tries = tries_of(airflow_env, KILL, run_id, "train")
    assert [row["process_uid"] for row in tries] == [f"pod:millrace-steps/{pod['metadata']['name']}"]


@pytest.mark.timeout(600)
def test_a_step_without_enough_memory_is_given_more_and_the_next_run_asks_for_it(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any
) -> None:
    day = date(2026, 4, 4)
    deliver(airflow_env, machine_rows, FAULTS, day, 240)
    run_id = airflow_env.trigger(FAULTS, partition_from=f"{day}", partition_to=f"{day}", train="never")
    row = airflow_env.finish(FAULTS, run_id)
    assert row["state"] == "success", row
    tries = tries_of(airflow_env, FAULTS, run_id, "validate")
    assert [row["outcome"] for row in tries][-1] == "ok"
    assert "killed for want of memory (limit 208Mi)" in tries[0]["reason"]
    assert {row["try_number"] for row in tries} == {1}
    learned = airflow_env.ledger.oom_correction(FAULTS, "validate")
    assert learned >= (208 << 20) * 1.5
    again = date(2026, 4, 5)
    deliver(airflow_env, machine_rows, FAULTS, again, 240)
    run_id = airflow_env.trigger(FAULTS, partition_from=f"{again}", partition_to=f"{again}", train="never")
    assert airflow_env.finish(FAULTS, run_id)["state"] == "success"
    tries = tries_of(airflow_env, FAULTS, run_id, "validate")
    assert [row["outcome"] for row in tries] == ["ok"], "the lesson was not kept"


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_training_sized_too_small_is_killed_once_resized_and_the_next_plan_is_right(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any
) -> None:
    def train(day: date) -> tuple[Any, list[dict[str, Any]]]:
        deliver(airflow_env, machine_rows, WIDE, day, 120)
        run_id = airflow_env.trigger(WIDE, partition_from=f"{day}", partition_to=f"{day}", train="always")
        settle(airflow_env, await_, run_id, WIDE)
        return airflow_env.ledger.plan(WIDE, run_id), tries_of(airflow_env, WIDE, run_id, "train")

    airflow_env.ledger.learn_memory(WIDE, "validate", 1 << 30)
    plan, tries = train(date(2026, 4, 10))
    # on purpose: what was "learned" of this family gives its next pod too little, and half as much again is enough
    said = sum(plan.parts["memory"].values()) * CPU.memory_p90
    too_small = 0.72 * (tries[-1]["peak_memory_bytes"] - MAPPED_BYTES) / said
    known = airflow_env.ledger.calibration(plan.hardware.name, plan.family)
    wrong = Calibration(
        hardware=plan.hardware.name,
        family=plan.family,
        version=1 if known is None else known.version + 1,
        runs=len(airflow_env.ledger.trained_runs()),
        scales={"memory": dict.fromkeys(plan.parts["memory"], too_small)},
        learned_at=datetime.now(UTC),
    )
    assert airflow_env.ledger.store_calibration(wrong)
    plans: list[Any] = []
    peaks: list[Any] = []
    for day in (date(2026, 4, 11), date(2026, 4, 12)):
        plan, tries = train(day)
        killed = [each for each in tries if "killed for want of memory" in each["reason"]]
        assert len(killed) == (not plans), [each["reason"] for each in tries]
        assert tries[-1]["outcome"] == "ok"
        assert {each["try_number"] for each in tries} == {1}
        plans.append(plan)
        peaks.append(tries[-1]["peak_memory_bytes"])
    assert plans[0].peak_memory_bytes.p90 < peaks[0], "it was not too small"
    assert plans[1].peak_memory_bytes.p50 == pytest.approx(peaks[1], rel=0.1)
    assert plans[1].peak_memory_bytes.p90 >= peaks[1]
    assert plans[1].calibration > plans[0].calibration


@pytest.mark.timeout(600)
def test_a_cancelled_task_leaves_no_pod(airflow_env: AirflowEnv, begun: Any, await_: Any) -> None:
    run_id, _ = begun(date(2026, 4, 7), 270)
    airflow_env.api.mark(KILL, run_id, "failed")
    await_(
        lambda: not airflow_env.site.objects("pods", "millrace-steps", "app.kubernetes.io/component=train"),
        "no pod",
        60,
    )


@pytest.mark.outage
@pytest.mark.timeout(900)
def test_an_api_server_that_is_away_for_a_minute_costs_no_pod_and_no_try(
    airflow_env: AirflowEnv, begun: Any, await_: Any
) -> None:
    stop, start = os.environ.get("MILLRACE_TEST_API_STOP"), os.environ.get("MILLRACE_TEST_API_START")
    if not stop or not start:
        pytest.skip("MILLRACE_TEST_API_STOP and MILLRACE_TEST_API_START say no way to stop this API server")
    run_id, pod = begun(date(2026, 4, 8), 280)
    subprocess.run(stop, shell=True, check=True, timeout=60)
    time.sleep(60)
    subprocess.run(start, shell=True, timeout=240)
    settle(airflow_env, await_, run_id)
    tries = tries_of(airflow_env, KILL, run_id, "train")
    assert [(row["process_uid"], row["outcome"], row["try_number"]) for row in tries] == [
        (f"pod:millrace-steps/{pod['metadata']['name']}", "ok", 1)
    ]


@pytest.mark.outage
@pytest.mark.timeout(900)
def test_a_task_killed_before_it_defers_is_tried_again_with_the_pod_that_it_made(
    airflow_env: AirflowEnv, machine_rows: Any, await_: Any
) -> None:
    day = date(2026, 4, 9)
    deliver(airflow_env, machine_rows, KILL, day, 290)
    workers = [
        process
        for process in psutil.Process(airflow_env.pid()).children(recursive=True)
        if "LocalExecutor" in command(process)
    ]
    run_id = airflow_env.trigger(KILL, partition_from=f"{day}", partition_to=f"{day}", epochs=30, batch_size=1)
    # there are only tenths of a second between the pod's creation and the deferral: polling would be too late
    core = client.CoreV1Api(config.new_client_from_config(airflow_env.site.kubeconfig))
    selector = "app.kubernetes.io/component=train"
    for event in watch.Watch().stream(
        core.list_namespaced_pod, "millrace-steps", label_selector=selector, timeout_seconds=300
    ):
        if event["type"] == "ADDED":
            killed = [child.kill() for worker in workers for child in worker.children()]
            break
    assert killed, "the task had deferred already"
    pod = event["object"].metadata.name
    settle(airflow_env, await_, run_id)
    assert [row["process_uid"] for row in tries_of(airflow_env, KILL, run_id, "train")] == [f"pod:millrace-steps/{pod}"]
    assert airflow_env.api.tasks(KILL, run_id)["train"]["try_number"] == 2
