"""kill -9 of the training process and of its supervisor: one trainer goes on, resumed."""

import json
import os
import signal
from datetime import date
from pathlib import Path

import psutil
import pytest

from millrace.contracts.report import TrainResult
from tests.e2e.conftest import Plant

DAG = "machine_kill"


def trainers(plant: Plant) -> list[psutil.Process]:
    """Living training steps of this Airflow."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        ours = "millrace_train" in command and "/train/try-" in command and f"{plant.store}" in command
        if ours and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def checkpointed_and_metered(folder: Path) -> bool:
    """Whether a killed try would leave a checkpoint past its first step, and what it had used."""
    checkpoints = (folder / "train" / "state-0").glob("checkpoint-*")
    past_the_start = any(int(path.name.split("-")[1]) > 0 for path in checkpoints)
    return past_the_start and (folder / "train" / "try-1" / "meter.json").exists()


def run_folder(plant: Plant, run_id: str) -> Path:
    wanted = run_id.rsplit("__", 1)[1][:10]
    folders = sorted((plant.store / "runs" / DAG).glob(f"manual-{wanted}*"), key=lambda path: path.stat().st_mtime)
    return folders[-1]


def question(plant: Plant, run_id: str) -> str | None:
    """The state of the question to a person, once there is one or there will be none."""
    tasks = plant.api.tasks(DAG, run_id)
    state = tasks["approve"]["state"]
    return state if state in ("awaiting_input", "skipped", "upstream_failed") else None


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("victim", "rows", "answer", "state"),
    # other rows, or else the second run makes the very version that the first one made live
    [("trainer", 240, "Approve", "success"), ("supervisor", 270, "Reject", "rejected")],
)
def test_training_goes_on_after_kill_9_and_a_person_decides(
    plant: Plant, victim: str, rows: int, answer: str, state: str
) -> None:
    day = date(2026, 4, 1)
    plant.deliver(day, workload=DAG, rows=rows)
    run_id = plant.run(DAG, partition_from=f"{day}", partition_to=f"{day}", epochs=100, batch_size=1)
    plant.wait(
        lambda: trainers(plant) and checkpointed_and_metered(run_folder(plant, run_id)),
        "a checkpoint",
        timeout_seconds=120,
    )
    running = plant.log(DAG, run_id, "train")
    assert "attempt=1.log" in running, "the log of a task that runs"
    assert "Could not read" not in running
    trainer = trainers(plant)[0]
    if victim == "trainer":
        os.kill(trainer.pid, signal.SIGKILL)
    else:
        task = trainer.parent()
        supervisor = task.parent()
        os.kill(supervisor.pid, signal.SIGKILL)
        os.kill(task.pid, signal.SIGKILL)
        # or else a fast machine's orphan ends its training before Airflow misses the supervisor
        os.kill(trainer.pid, signal.SIGSTOP)
    plant.wait(lambda: [p for p in trainers(plant) if p.pid != trainer.pid], "a new trainer", timeout_seconds=180)
    assert len(trainers(plant)) == 1, "two trainers at once"
    asked = plant.wait(lambda: question(plant, run_id), "the gate's verdict")
    assert asked == "awaiting_input", "a person decides about every candidate of this workload"
    before = plant.ledger.live_model(DAG)
    plant.api.decide(DAG, run_id, answer)
    row = plant.finish(run_id, DAG)
    assert (row["state"], row["decision"]) == (state, "inconclusive"), row
    after = plant.ledger.live_model(DAG)
    assert ((after and after.model.version) == row["model_version"]) == (state == "success")
    if state == "rejected":
        assert after == before

    trained = plant.ledger.committed_report(DAG, run_id, "train").result
    assert isinstance(trained, TrainResult)
    assert trained.resumed_from_step, "the second try began from nothing"
    losses = [
        json.loads(line) for line in (run_folder(plant, run_id) / "train/state-0/losses.jsonl").read_text().splitlines()
    ]
    assert [entry["step"] for entry in losses] == list(range(1, trained.steps + 1)), "a step is missing or done twice"
    tries = [row for row in plant.ledger.tries(DAG, run_id, 0) if row["task_id"] == "train"]
    assert len(tries) == 2
    assert all(entry["joules"] is not None for entry in tries), "a killed try's energy is lost"
