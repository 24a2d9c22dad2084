"""kill -9 of the training process and of its supervisor: one trainer goes on, resumed."""

import json
import os
import signal
from datetime import date
from pathlib import Path

import psutil
import pytest

from millrace.contracts.report import TrainResult
from tests.e2e.conftest import AirflowEnv

DAG = "machine_kill"


def trainers(airflow_env: AirflowEnv) -> list[psutil.Process]:
    """Living training steps of this Airflow."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        ours = "millrace_train" in command and "/train/try-" in command and f"{airflow_env.store}" in command
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def checkpointed_and_metered(folder: Path) -> bool:
    """Whether a killed try would leave a checkpoint past its first step, and what it had used."""
    checkpoints = (folder / "train" / "state-0").glob("checkpoint-*")
    past_the_start = any(int(path.name.split("-")[1]) > 0 for path in checkpoints)
    return past_the_start and (folder / "train" / "try-1" / "meter.json").exists()


def run_folder(airflow_env: AirflowEnv, run_id: str) -> Path:
    wanted = run_id.rsplit("__", 1)[1][:10]
    folders = sorted(
        (airflow_env.store / "runs" / DAG).glob(f"manual-{wanted}*"), key=lambda path: path.stat().st_mtime
    )
    return folders[-1]


def question(airflow_env: AirflowEnv, run_id: str) -> str | None:
    """The state of the question to a person, once there is one or there will be none."""
    tasks = airflow_env.api.tasks(DAG, run_id)
    state = tasks["approve"]["state"]
    return state if state in ("awaiting_input", "skipped", "upstream_failed") else None


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("victim", "rows", "answer", "state"),
    # other rows, or else the second run makes the very version that the first one made live
    [("trainer", 240, "Approve", "success"), ("supervisor", 270, "Reject", "rejected")],
)
def test_training_goes_on_after_kill_9_and_a_person_decides(
    airflow_env: AirflowEnv, victim: str, rows: int, answer: str, state: str
) -> None:
    day = date(2026, 4, 1)
    airflow_env.deliver(day, workload=DAG, rows=rows)
    run_id = airflow_env.run(DAG, partition_from=f"{day}", partition_to=f"{day}", epochs=100, batch_size=1)
    airflow_env.wait(
        lambda: trainers(airflow_env) and checkpointed_and_metered(run_folder(airflow_env, run_id)),
        "a checkpoint",
        timeout_seconds=120,
    )
    running = airflow_env.log(DAG, run_id, "train")
    assert "attempt=1.log" in running, "the log of a task that runs"
    assert "Could not read" not in running
    trainer = trainers(airflow_env)[0]
    if victim == "trainer":
        os.kill(trainer.pid, signal.SIGKILL)
    else:
        task = trainer.parent()
        supervisor = task.parent()
        os.kill(supervisor.pid, signal.SIGKILL)
        os.kill(task.pid, signal.SIGKILL)
        # or else a fast machine's orphan ends its training before Airflow misses the supervisor
        os.kill(trainer.pid, signal.SIGSTOP)
    airflow_env.wait(
        lambda: [p for p in trainers(airflow_env) if p.pid != trainer.pid], "a new trainer", timeout_seconds=180
    )
    assert len(trainers(airflow_env)) == 1, "two trainers at once"
    asked = airflow_env.wait(lambda: question(airflow_env, run_id), "the gate's verdict")
    assert asked == "awaiting_input", "a person decides about every candidate of this workload"
    before = airflow_env.ledger.live_model(DAG)
    airflow_env.api.decide(DAG, run_id, answer)
    row = airflow_env.finish(run_id, DAG)
    assert (row["state"], row["decision"]) == (state, "inconclusive"), row
    after = airflow_env.ledger.live_model(DAG)
    assert ((after and after.model.version) == row["model_version"]) == (state == "success")
    if state == "rejected":
        assert after == before

    trained = airflow_env.ledger.committed_report(DAG, run_id, "train").result
    assert isinstance(trained, TrainResult)
    assert trained.resumed_from_step, "the second try began from nothing"
    losses = [
        json.loads(line)
        for line in (run_folder(airflow_env, run_id) / "train/state-0/losses.jsonl").read_text().splitlines()
    ]
    assert [entry["step"] for entry in losses] == list(range(1, trained.steps + 1)), "a step is missing or done twice"
    tries = [row for row in airflow_env.ledger.tries(DAG, run_id, 0) if row["task_id"] == "train"]
    assert len(tries) == 2
    assert all(entry["joules"] is not None for entry in tries), "a killed try's energy is lost"
