"""Workers, a process each: one model, the same weights in each, and nothing lost with one of them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.report import Report, TrainResult
from millrace.contracts.run_spec import REPORT_FILE, RunSpec, TrainTask, WorkerGroup
from millrace.storage import files

MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
ReadLosses: TypeAlias = Callable[[str], list[float]]

PATIENCE_SECONDS = 240


@dataclass
class Workers:
    """Starts the workers of an attempt and waits for them."""

    folder: Path
    repository: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, spec: RunSpec, workers: int = 2) -> list[RunSpec]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
        specs = [
            spec.model_copy(
                update={
                    "attempt_uri": files.join(spec.attempt_uri, str(index)),
                    "worker_group": WorkerGroup(workers=workers, index=index, coordinator=coordinator),
                }
            )
            for index in range(workers)
        ]
        environment = {**os.environ, "PYTHONPATH": f"{self.repository}/plugins:{self.repository}/images/train"}
        self.started = []
        for each in specs:
            uri = files.join(each.attempt_uri, "spec.json")
            files.write_bytes(uri, each.model_dump_json().encode())
            log = (files.local_path(each.attempt_uri) / "log.txt").open("w")
            command = [sys.executable, "-m", "millrace_train", "--spec", uri]
            self.started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
        return specs

    def ends(self) -> list[int]:
        return [process.wait(PATIENCE_SECONDS) for process in self.started]

    def wait_for_step(self, state_uri: str, step: int) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            names = files.names(state_uri) if files.exists(state_uri) else []
            if any(name.startswith("checkpoint-") and int(name.rpartition("-")[2]) >= step for name in names):
                return
            assert all(process.poll() is None for process in self.started), "one ended before it could be stopped"
            time.sleep(0.02)
        pytest.fail(f"no checkpoint at step {step} after {PATIENCE_SECONDS} s")


@pytest.fixture
def worker_group(tmp_path: Path, repository: Path) -> Iterator[Workers]:
    made = Workers(tmp_path, repository)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    for log in sorted(tmp_path.rglob("log.txt")):
        sys.stdout.write(f"{log}\n{log.read_text()}")


@pytest.fixture
def task(write_table: WriteTable, make_number_rows: Callable[[int], Any]) -> TrainTask:
    return TrainTask(dataset=write_table(make_number_rows(300)), base_model=None)


def report_of(spec: RunSpec) -> Report:
    return Report.model_validate_json(files.read_bytes(files.join(spec.attempt_uri, REPORT_FILE)))


def weights_of(spec: RunSpec) -> str:
    log = (files.local_path(spec.attempt_uri) / "log.txt").read_text()
    found = re.search(r"ends with weights ([0-9a-f]{64})", log)
    assert found is not None
    return found[1]


def test_workers_end_with_equal_weights_and_the_losses_do_not_depend_on_their_number(
    number_spec: MakeSpec, task: TrainTask, worker_group: Workers, read_losses: ReadLosses
) -> None:
    losses = []
    for workers in (2, 3):
        # 16 is no multiple of 3: the shares of a batch are filled up, and what fills them counts for nothing
        spec = number_spec(task, attempt=workers)
        spec = spec.model_copy(update={"state_uri": f"{spec.state_uri}-{workers}"})
        leader, *followers = worker_group.start(spec, workers)
        assert worker_group.ends() == [0] * workers
        assert {weights_of(each) for each in followers} == {weights_of(leader)}
        assert isinstance(report_of(leader).result, TrainResult)
        assert all(report_of(each).result is None for each in followers)
        assert all(report_of(each).meter.cpu_seconds > 0 for each in followers)
        losses.append(read_losses(spec.state_uri))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0][-1] < losses[0][0] / 2


def test_a_lost_worker_ends_the_other_and_both_go_on_from_the_checkpoint(
    number_spec: MakeSpec, task: TrainTask, worker_group: Workers, read_losses: ReadLosses
) -> None:
    options = {"checkpoint_seconds": 0.05, "hidden": "64,32"}
    first, second = (number_spec(task, attempt, options, epochs=20) for attempt in (1, 2))
    specs = worker_group.start(first)
    worker_group.wait_for_step(first.state_uri, 5)
    worker_group.started[1].send_signal(signal.SIGKILL)
    worker_group.started[1].wait()
    assert worker_group.started[0].wait(PATIENCE_SECONDS) == 30
    lost = report_of(specs[0])
    assert lost.outcome == "interrupted"
    assert "another worker was lost" in lost.reason

    specs = worker_group.start(second)
    assert worker_group.ends() == [0, 0]
    result = report_of(specs[0]).result
    assert isinstance(result, TrainResult)
    assert result.resumed_from_step is not None
    assert result.resumed_from_step >= 5
    assert weights_of(specs[0]) == weights_of(specs[1])
    assert len(read_losses(second.state_uri)) == result.steps


def test_a_worker_that_is_asked_to_stop_stops_all_at_one_step(
    number_spec: MakeSpec, task: TrainTask, worker_group: Workers
) -> None:
    spec = number_spec(task, options={"checkpoint_seconds": 3600}, epochs=100)
    specs = worker_group.start(spec)
    worker_group.wait_for_step(spec.state_uri, 13)
    worker_group.started[1].send_signal(signal.SIGTERM)
    assert worker_group.ends() == [30, 30]
    reasons = {report_of(each).reason for each in specs}
    assert len(reasons) == 1
    assert "asked to stop after step" in reasons.pop()
