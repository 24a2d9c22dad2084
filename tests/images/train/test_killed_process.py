"""The step as a process: killed outright, or asked to stop, and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.model import BaseModelRef
from millrace.contracts.report import Report, TrainResult
from millrace.contracts.run_spec import REPORT_FILE, RunSpec, TrainTask
from millrace.storage import files

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]
Start: TypeAlias = Callable[[RunSpec], subprocess.Popen[bytes]]
ReadLosses: TypeAlias = Callable[[str], list[float]]

EPOCHS = 12
PATIENCE_SECONDS = 240


@pytest.fixture
def task(write_table: WriteTable, make_text_rows: MakeRows, base_model: BaseModelRef) -> TrainTask:
    return TrainTask(dataset=write_table(make_text_rows(300)), base_model=base_model)


@pytest.fixture
def start(tmp_path: Path, repository: Path) -> Iterator[Start]:
    """Start ``python -m millrace_train`` on a spec; whatever still runs at the end of the test is killed."""
    started: list[tuple[subprocess.Popen[bytes], Path]] = []
    environment = {**os.environ, "PYTHONPATH": f"{repository}/plugins:{repository}/images/train"}

    def begin(spec: RunSpec) -> subprocess.Popen[bytes]:
        path = tmp_path / f"spec-{len(started)}.json"
        path.write_text(spec.model_dump_json())
        log = (tmp_path / f"log-{len(started)}.txt").open("w")
        command = [sys.executable, "-m", "millrace_train", "--spec", files.to_uri(path)]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        started.append((process, Path(log.name)))
        return process

    yield begin
    for process, log in started:
        process.kill()
        process.wait()
        sys.stdout.write(log.read_text())


def newest_step(state_uri: str) -> int:
    """Of the newest checkpoint; -1 before the first. The losses beside it are written a moment later."""
    pointer = files.local_path(state_uri) / "checkpoint.json"
    if not pointer.exists():
        return -1
    return int(json.loads(pointer.read_text())["generations"][0]["folder"].rpartition("-")[2])


def wait_for_step(process: subprocess.Popen[bytes], state_uri: str, step: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "it ended before it could be stopped"
        if newest_step(state_uri) >= step:
            return
        time.sleep(0.02)
    pytest.fail(f"no checkpoint at step {step} after {PATIENCE_SECONDS} s")


def report_of(spec: RunSpec) -> Report:
    return Report.model_validate_json(files.read_bytes(files.join(spec.attempt_uri, REPORT_FILE)))


def test_killed_and_asked_to_stop_it_ends_like_an_unbroken_run(
    text_spec: MakeSpec, task: TrainTask, start: Start, read_losses: ReadLosses
) -> None:
    options = {"checkpoint_seconds": 0.05}
    first, second, third = (text_spec(task, attempt, options, epochs=EPOCHS) for attempt in (1, 2, 3))

    process = start(first)
    wait_for_step(process, first.state_uri, 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not files.exists(files.join(first.attempt_uri, REPORT_FILE))

    process = start(second)
    killed_at = newest_step(first.state_uri)
    wait_for_step(process, second.state_uri, killed_at + 5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 30
    stopped = report_of(second)
    assert stopped.outcome == "interrupted"
    stopped_at = len(read_losses(second.state_uri))

    assert start(third).wait(PATIENCE_SECONDS) == 0
    result = report_of(third).result
    assert isinstance(result, TrainResult)
    assert result.resumed_from_step == stopped_at > killed_at

    from millrace.step.main import Stop
    from millrace_train.train import train

    unbroken = text_spec(task, attempt=4, epochs=EPOCHS)
    unbroken = unbroken.model_copy(update={"state_uri": unbroken.state_uri + "-unbroken"})
    expected = train(unbroken, Stop())
    losses = read_losses(unbroken.state_uri)
    assert len(losses) == result.steps
    assert read_losses(third.state_uri) == pytest.approx(losses, abs=1e-4)
    assert result.losses == pytest.approx(expected.losses, abs=1e-4)


def test_a_spec_that_cannot_be_trained_ends_with_10(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, start: Start
) -> None:
    task = TrainTask(dataset=write_table(make_number_rows(60)), base_model=None)
    spec = number_spec(task, options={"layers": 3})
    assert start(spec).wait(PATIENCE_SECONDS) == 10
    report = report_of(spec)
    assert report.outcome == "failed"
    assert report.error is not None
    assert "'layers'" in report.error.what
