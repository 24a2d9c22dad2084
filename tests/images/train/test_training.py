"""Training that is stopped, killed or torn goes on as if it had not been."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import BadInputError, InterruptedStepError, RefusedError
from millrace.contracts.model import BaseModelRef
from millrace.contracts.report import TrainResult
from millrace.contracts.run_spec import RunSpec, TrainTask
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.train import train

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]
ReadLosses: TypeAlias = Callable[[str], list[float]]
StopAfter: TypeAlias = Callable[[int], Stop]
Interrupt: TypeAlias = Callable[..., InterruptedStepError]
Unbroken: TypeAlias = tuple[TrainResult, list[float]]

NO_CHECKPOINT_BETWEEN = {"checkpoint_seconds": 3600}


@pytest.fixture
def task(write_table: WriteTable, make_text_rows: MakeRows, base_model: BaseModelRef) -> TrainTask:
    return TrainTask(dataset=write_table(make_text_rows(160)), base_model=base_model)


@pytest.fixture
def unbroken(text_spec: MakeSpec, task: TrainTask, read_losses: ReadLosses, tmp_path: Path) -> Unbroken:
    spec = text_spec(task)
    result = train(spec, Stop())
    losses = read_losses(spec.state_uri)
    shutil.rmtree(files.local_path(spec.state_uri))
    assert len(losses) == result.steps > 8
    return result, losses


def folders_below(state_uri: str) -> list[str]:
    return sorted(path.name for path in files.local_path(state_uri).glob("checkpoint-*"))


@pytest.fixture
def interrupt(stop_after: StopAfter) -> Interrupt:
    """Trains until it has been asked to stop; gives what that raises."""

    def begin(spec: RunSpec, reads: int) -> InterruptedStepError:
        with pytest.raises(InterruptedStepError) as caught:
            train(spec, stop_after(reads))
        return caught.value

    return begin


def test_stopped_and_resumed_equals_unbroken(
    text_spec: MakeSpec, task: TrainTask, unbroken: Unbroken, read_losses: ReadLosses, interrupt: Interrupt
) -> None:
    result, losses = unbroken
    spec = text_spec(task, options=NO_CHECKPOINT_BETWEEN)
    # Encoding reads once a batch of rows: at most one of each split and partition here.
    error = interrupt(spec, reads=11)
    assert error.exit_code == 30
    done = len(read_losses(spec.state_uri))
    assert 0 < done < len(losses)
    again = text_spec(task, attempt=2)
    resumed = train(again, Stop())
    assert resumed.resumed_from_step == done
    assert read_losses(spec.state_uri) == pytest.approx(losses, abs=1e-6)
    assert resumed.losses == pytest.approx(result.losses, abs=1e-6)
    assert resumed.thresholds == pytest.approx(result.thresholds, abs=1e-5)
    assert resumed.tokens == result.tokens
    assert result.resumed_from_step is None


def test_a_torn_checkpoint_falls_back_to_the_one_before(
    text_spec: MakeSpec,
    task: TrainTask,
    unbroken: Unbroken,
    read_losses: ReadLosses,
    caplog: pytest.LogCaptureFixture,
    interrupt: Interrupt,
) -> None:
    _, losses = unbroken
    spec = text_spec(task, options=NO_CHECKPOINT_BETWEEN)
    interrupt(spec, reads=9)
    first = len(read_losses(spec.state_uri))
    interrupt(spec, reads=3)
    older, newest = folders_below(spec.state_uri)
    assert (older, newest) == (f"checkpoint-{first:09d}", f"checkpoint-{first + 3:09d}")
    torn = files.local_path(spec.state_uri) / newest / "variables.safetensors"
    content = torn.read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    with caplog.at_level("INFO", logger="millrace.train"):
        resumed = train(spec, Stop())
    assert resumed.resumed_from_step == first
    assert any("torn" in message and newest in message for message in caplog.messages)
    assert read_losses(spec.state_uri) == pytest.approx(losses, abs=1e-6)


def test_two_generations_are_kept_and_row_files_go(text_spec: MakeSpec, task: TrainTask) -> None:
    spec = text_spec(task)
    result = train(spec, Stop())
    kept = folders_below(spec.state_uri)
    assert len(kept) == 2
    assert kept[-1] == f"checkpoint-{result.steps:09d}"
    pointer = json.loads((files.local_path(spec.state_uri) / "checkpoint.json").read_text())
    assert [entry["folder"] for entry in pointer["generations"]] == kept[::-1]
    assert not list(files.local_path(spec.state_uri).glob("rows-*"))


def test_other_parameters_do_not_go_on_from_a_checkpoint(
    text_spec: MakeSpec, task: TrainTask, interrupt: Interrupt
) -> None:
    interrupt(text_spec(task), reads=10)
    result = train(text_spec(task, attempt=2, seed=99, epochs=1), Stop())
    assert result.resumed_from_step is None


def test_a_cap_on_rows(text_spec: MakeSpec, task: TrainTask) -> None:
    result = train(text_spec(task, rows=30, epochs=1), Stop())
    assert result.rows == 30
    assert result.steps == 2


def test_a_loss_that_is_not_finite_names_its_step(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows
) -> None:
    task = TrainTask(dataset=write_table(make_number_rows(120)), base_model=None)
    spec = number_spec(task, options={"clip_norm": 1e30, "hidden": "64,64,64,64", "warmup_share": 0.0})
    broken = spec.model_copy(update={"parameters": spec.parameters.model_copy(update={"learning_rate": 1e38})})
    with pytest.raises(BadInputError, match="at step ") as caught:
        train(broken, Stop())
    assert "learning rate" in caught.value.remedy
    assert not files.exists(files.join(spec.attempt_uri, "out"))


def test_a_label_without_examples(number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows) -> None:
    rows = [row for row in make_number_rows(120) if row["group"] != "high"]
    task = TrainTask(dataset=write_table(rows), base_model=None)
    with pytest.raises(BadInputError, match="without an example: high"):
        train(number_spec(task), Stop())


@pytest.mark.parametrize(("column", "value"), [("group", "unheard-of"), ("x", float("nan")), ("x", None)])
def test_a_bad_value_names_its_column(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, column: str, value: object
) -> None:
    rows = [dict(row) for row in make_number_rows(120)]
    index = next(index for index, row in enumerate(rows) if row["split_"] == "train")
    rows[index][column] = value
    task = TrainTask(dataset=write_table(rows), base_model=None)
    with pytest.raises(BadInputError) as caught:
        train(number_spec(task), Stop())
    assert f"column '{column}'" in caught.value.where
    assert "unheard-of" not in str(caught.value)


def test_a_split_without_rows(number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows) -> None:
    rows = [row for row in make_number_rows(60) if row["split_"] != "validation"]
    task = TrainTask(dataset=write_table(rows), base_model=None)
    with pytest.raises(BadInputError, match="validation split has no rows"):
        train(number_spec(task), Stop())


def test_a_changed_base_model_is_refused(
    text_spec: MakeSpec, task: TrainTask, base_model: BaseModelRef, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(files.local_path(base_model.uri), copy)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    changed = base_model.model_copy(update={"uri": files.to_uri(copy)})
    with pytest.raises(RefusedError, match="changed"):
        train(text_spec(task.model_copy(update={"base_model": changed})), Stop())


def test_a_text_needs_a_base_model_that_is_long_enough(text_spec: MakeSpec, task: TrainTask) -> None:
    with pytest.raises(BadInputError, match="no base model"):
        train(text_spec(task.model_copy(update={"base_model": None})), Stop())
    with pytest.raises(BadInputError, match="64 positions"):
        train(text_spec(task, max_length=65), Stop())
