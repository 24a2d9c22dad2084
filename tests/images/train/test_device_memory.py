"""A device without room for a batch: said so, then trained in parts, with the same losses."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import DeviceMemoryError, InterruptedStepError
from millrace.contracts.model import BaseModelRef
from millrace.contracts.report import Report, TrainResult
from millrace.contracts.run_spec import REPORT_FILE, RunSpec, TrainTask
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.device_memory import device_memory
from millrace_train.optimizer import split
from millrace_train.store import ModelInput
from millrace_train.train import train

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]
ReadLosses: TypeAlias = Callable[[str], list[float]]
StopAfter: TypeAlias = Callable[[int], Stop]

# TensorFlow's allocator for GPUs, on the processor, with 600 MB; oneDNN crashes where an allocation fails
SMALL_DEVICE = {
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
    "TF_CPU_BFC_MEM_LIMIT_IN_MB": "600",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}


@pytest.fixture
def numbers(write_table: WriteTable, make_number_rows: MakeRows) -> TrainTask:
    # 16 rows a batch and some left over: the last batch of an epoch is filled up
    return TrainTask(dataset=write_table(make_number_rows(130)), base_model=None)


def in_parts(task: TrainTask, rows: int) -> TrainTask:
    return task.model_copy(update={"rows_at_once": rows})


def test_a_device_without_room_is_reported_and_fewer_rows_at_once_are_trained(
    number_spec: MakeSpec, numbers: TrainTask, repository: Path
) -> None:
    environment = {**os.environ, **SMALL_DEVICE, "PYTHONPATH": f"{repository}/plugins:{repository}/images/train"}

    def run(attempt: int, task: TrainTask) -> tuple[int, Report]:
        # 4,096 rows by 65,536 units are a gibibyte
        spec = number_spec(task, attempt, {"hidden": "65536"}, batch_size=4096, epochs=2)
        path = files.local_path(spec.attempt_uri).with_suffix(".json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(spec.model_dump_json())
        command = [sys.executable, "-m", "millrace_train", "--spec", files.to_uri(path)]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
        sys.stdout.write(ended.stdout + ended.stderr)
        return ended.returncode, Report.model_validate_json(files.read_bytes(files.join(spec.attempt_uri, REPORT_FILE)))

    code, report = run(1, numbers)
    assert (code, report.outcome) == (20, "failed")
    assert report.error
    assert report.error.type == DeviceMemoryError.__name__
    assert "no room for 4096 rows at once: OOM when allocating tensor with shape[4096,65536]" in report.error.what
    code, report = run(2, in_parts(numbers, 256))
    assert (code, report.outcome) == (0, "ok"), report
    assert isinstance(report.result, TrainResult)
    assert report.result.steps == 2


@pytest.mark.parametrize("rows", [8, 5, 1])
def test_a_batch_in_parts_has_the_losses_of_the_whole(
    number_spec: MakeSpec, numbers: TrainTask, read_losses: ReadLosses, rows: int
) -> None:
    whole = number_spec(numbers)
    train(whole, Stop())
    parts = number_spec(in_parts(numbers, rows), attempt=2).model_copy(update={"state_uri": f"{whole.state_uri}-parts"})
    result = train(parts, Stop())
    assert read_losses(parts.state_uri) == pytest.approx(read_losses(whole.state_uri), rel=2e-3, abs=1e-4)
    assert len(result.losses) == 6


@pytest.mark.parametrize(("before", "after"), [(16, 4), (4, 16)])
def test_a_checkpoint_is_gone_on_from_with_another_number_of_parts(
    number_spec: MakeSpec, numbers: TrainTask, read_losses: ReadLosses, stop_after: StopAfter, before: int, after: int
) -> None:
    whole = number_spec(numbers)
    train(whole, Stop())
    state = {"state_uri": f"{whole.state_uri}-changed"}
    with pytest.raises(InterruptedStepError):
        train(number_spec(in_parts(numbers, before), attempt=2).model_copy(update=state), stop_after(12))
    changed = number_spec(in_parts(numbers, after), attempt=3).model_copy(update=state)
    result = train(changed, Stop())
    assert result.resumed_from_step
    assert read_losses(changed.state_uri) == pytest.approx(read_losses(whole.state_uri), rel=2e-3, abs=1e-4)


def test_in_parts_stopped_and_resumed_equals_unbroken(
    text_spec: MakeSpec,
    write_table: WriteTable,
    make_text_rows: MakeRows,
    base_model: BaseModelRef,
    read_losses: ReadLosses,
    stop_after: StopAfter,
) -> None:
    task = TrainTask(dataset=write_table(make_text_rows(160)), base_model=base_model, rows_at_once=6)
    unbroken = text_spec(task)
    train(unbroken, Stop())
    state = {"state_uri": f"{unbroken.state_uri}-stopped"}
    with pytest.raises(InterruptedStepError):
        train(text_spec(task, 2, {"checkpoint_seconds": 3600}).model_copy(update=state), stop_after(11))
    resumed = text_spec(task, attempt=3).model_copy(update=state)
    assert train(resumed, Stop()).resumed_from_step
    assert read_losses(resumed.state_uri) == pytest.approx(read_losses(unbroken.state_uri), abs=1e-6)


def test_parts_weigh_their_rows_as_the_whole_batch_does() -> None:
    weights = np.array([1, 1, 1, 0, 0, 0], np.float32)
    losses = np.array([3.0, 6.0, 9.0, 100.0, 100.0, 100.0])
    given = ModelInput({"x": losses}, losses, weights)
    parts = list(split(given, 3))
    assert [part.targets.tolist() for part in parts] == [[3, 6], [9, 100], [100, 100]]
    means = [float((part.inputs["x"] * part.weights).sum() / 2) for part in parts]
    assert sum(means) / 3 == pytest.approx(6.0)


def test_jax_says_it_in_words_of_its_own() -> None:
    jax = pytest.importorskip("jax", reason="this environment trains on TensorFlow alone")
    with (
        pytest.raises(DeviceMemoryError, match="no room for 8 rows at once: Out of memory allocating"),
        device_memory(8),
    ):
        jax.numpy.zeros((1 << 46,)).block_until_ready()


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="a shape"), device_memory(8):
        raise ValueError("a shape is wrong")
