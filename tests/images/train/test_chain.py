"""train, export and evaluate after one another, on text with label sets and on numbers with single labels."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import BaseModelRef, ModelManifest
from millrace.contracts.report import ExportResult, TrainResult
from millrace.contracts.run_spec import EvaluateTask, ExportTask, RunSpec, TrainTask
from millrace.scoring.scorer import Scorer
from millrace.step.main import Stop
from millrace.storage import files, folders
from millrace_train import onnx_file
from millrace_train.evaluate import evaluate
from millrace_train.export import export
from millrace_train.train import train
from millrace_train.untyped import Model

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]
MakeExportTask: TypeAlias = Callable[..., ExportTask]
Chain: TypeAlias = tuple[DatasetVersion, ExportTask, TrainResult, ExportResult]


@pytest.fixture
def text_chain(
    text_spec: MakeSpec,
    write_table: WriteTable,
    make_text_rows: MakeRows,
    base_model: BaseModelRef,
    export_task: MakeExportTask,
) -> Chain:
    version = write_table(make_text_rows(400))
    spec = text_spec(TrainTask(dataset=version, base_model=base_model), epochs=5)
    result = train(spec, Stop())
    task = export_task(version, base_model, result)
    return version, task, result, export(text_spec(task), Stop())


@pytest.fixture
def number_chain(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, export_task: MakeExportTask
) -> Chain:
    version = write_table(make_number_rows(300))
    result = train(number_spec(TrainTask(dataset=version, base_model=None)), Stop())
    task = export_task(version, None, result)
    return version, task, result, export(number_spec(task), Stop())


def test_text_with_label_sets(text_chain: Chain, text_spec: MakeSpec, tmp_path: Path, make_text_rows: MakeRows) -> None:
    version, task, trained, exported = text_chain
    assert trained.losses[-1] < trained.losses[0] / 2
    assert trained.validation_micro_f1 > 0.9
    assert exported.export_error <= exported.export_tolerance == 1e-4

    manifest = folders.open_sealed(exported.model.uri, exported.model.manifest_sha256, ModelManifest)
    assert set(manifest.files) == {"model.onnx", "tokenizer.json", "weights.safetensors"}
    assert manifest.thresholds == trained.thresholds
    assert manifest.max_length == 32
    assert exported.bytes == sum(digest.size_bytes for digest in manifest.files.values())
    assert exported.model.version == f"v-{exported.model.manifest_sha256[:12]}"
    session = onnxruntime.InferenceSession(str(files.local_path(exported.model.uri) / "model.onnx"))
    inputs = {given.name: (given.type, given.shape) for given in session.get_inputs()}
    assert inputs == {
        "token_ids": ("tensor(int32)", ["batch", "tokens"]),
        "padding_mask": ("tensor(bool)", ["batch", "tokens"]),
    }
    assert [(given.name, given.shape) for given in session.get_outputs()] == [("probabilities", ["batch", 3])]

    assert export(text_spec(task, attempt=2), Stop()) == exported

    live = exported.model
    judged = evaluate(text_spec(EvaluateTask(dataset=version, candidate=live, live=live, latency_requests=20)), Stop())
    test_rows = [row for row in make_text_rows(400) if row["split_"] == "test"]
    assert judged.candidate.rows == len(test_rows)
    assert judged.candidate.micro_f1 > 0.9
    assert judged.live is not None
    assert judged.live.labels == judged.candidate.labels
    assert judged.candidate.serving.requests == 20
    assert 0 < judged.candidate.serving.p50_latency_seconds <= judged.candidate.serving.p99_latency_seconds
    assert judged.candidate.serving.joules_per_request is not None
    assert judged.candidate.serving.joules_per_request > 0
    assert judged.candidate.serving.peak_memory_bytes > 1 << 24
    support = {score.label: score.support for score in judged.candidate.labels}
    assert support == {label: sum(label in row["labels"] for row in test_rows) for label in support}
    assert judged.baseline is not None
    assert judged.baseline.micro_f1 > 0.8
    replay = [json.loads(line) for line in files.read_bytes(judged.replay_uri).splitlines()]
    assert {row["text"] for row in replay} <= {row["text"] for row in test_rows}
    assert len(replay) == min(200, len(test_rows))


def test_numbers_with_single_labels(number_chain: Chain, number_spec: MakeSpec) -> None:
    version, _, trained, exported = number_chain
    assert trained.tokens is None
    assert trained.thresholds == (0.0, 0.0, 0.0)
    # Without standardised inputs y, a thousand times x, would drown it.
    assert trained.validation_micro_f1 > 0.95
    judged = evaluate(
        number_spec(EvaluateTask(dataset=version, candidate=exported.model, live=None, latency_requests=5)),
        Stop(),
    )
    assert judged.candidate.micro_f1 > 0.95
    assert judged.live is None
    assert judged.baseline is not None
    assert judged.baseline.micro_f1 > 0.9
    assert judged.baseline.threshold == 0.0
    probabilities = Scorer.load(exported.model).probabilities({"x": [8.0, 0.0], "y": [4000, 1000]})
    assert np.asarray(probabilities).argmax(axis=1).tolist() == [0, 1]
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_equal_models_are_one_version(number_chain: Chain, number_spec: MakeSpec) -> None:
    _, task, _, exported = number_chain
    folder = files.local_path(exported.model.uri)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = export(number_spec(task, attempt=2), Stop())
    assert again == exported
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_version_without_its_manifest_is_written_again(number_chain: Chain, number_spec: MakeSpec) -> None:
    _, task, _, exported = number_chain
    folder = files.local_path(exported.model.uri)
    (folder / "manifest.json").unlink()
    (folder / "model.onnx").write_bytes(b"half")
    assert export(number_spec(task, attempt=2), Stop()) == exported
    folders.open_sealed(exported.model.uri, exported.model.manifest_sha256, ModelManifest)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "trained.json", "manifest.json"])
def test_a_changed_trained_folder_is_refused(number_chain: Chain, number_spec: MakeSpec, name: str) -> None:
    _, task, _, _ = number_chain
    flip_a_bit(files.local_path(task.trained_uri) / name)
    with pytest.raises(RefusedError):
        export(number_spec(task, attempt=2), Stop())


def test_a_changed_version_is_not_taken_for_the_same(number_chain: Chain, number_spec: MakeSpec) -> None:
    _, task, _, exported = number_chain
    flip_a_bit(files.local_path(exported.model.uri) / "model.onnx")
    with pytest.raises(RefusedError):
        export(number_spec(task, attempt=2), Stop())


def test_a_trained_folder_of_other_labels_is_refused(number_chain: Chain, number_spec: MakeSpec) -> None:
    _, task, _, _ = number_chain
    spec = number_spec(task, attempt=2)
    target = spec.workload.dataset.target.model_copy(update={"labels": ("low", "high", "middle")})
    dataset = spec.workload.dataset.model_copy(update={"target": target})
    workload = spec.workload.model_copy(update={"dataset": dataset})
    with pytest.raises(RefusedError, match="another workload"):
        export(spec.model_copy(update={"workload": workload}), Stop())


def test_outputs_that_differ_are_refused(
    number_chain: Chain, number_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, task, _, _ = number_chain
    original = onnx_file.write_onnx

    def off_by_a_little(model: Model, path: Path) -> None:
        kernel = model.trainable_variables[-2]
        kept = kernel.numpy()
        kernel.assign(kept + 0.01 * np.arange(kept.size).reshape(kept.shape))
        original(model, path)
        kernel.assign(kept)

    monkeypatch.setattr("millrace_train.export.write_onnx", off_by_a_little)
    moved = task.model_copy(update={"models_uri": files.to_uri(tmp_path / "others")})
    with pytest.raises(RefusedError, match="differ by"):
        export(number_spec(moved, attempt=2), Stop())
    assert not (tmp_path / "others").exists()


def test_a_live_version_that_is_gone_does_not_pass_by_accident(
    number_chain: Chain, number_spec: MakeSpec, tmp_path: Path
) -> None:
    version, _, _, exported = number_chain
    copy = tmp_path / "live"
    shutil.copytree(files.local_path(exported.model.uri), copy)
    (copy / "model.onnx").unlink()
    live = exported.model.model_copy(update={"uri": files.to_uri(copy)})
    task = EvaluateTask(dataset=version, candidate=exported.model, live=live, latency_requests=1)
    with pytest.raises(RefusedError):
        evaluate(number_spec(task, options={"baseline": False}), Stop())


def test_no_test_rows_is_bad_input(
    number_chain: Chain, number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows
) -> None:
    _, _, _, exported = number_chain
    rows = [row for row in make_number_rows(60) if row["split_"] != "test"]
    task = EvaluateTask(dataset=write_table(rows, "untested"), candidate=exported.model, live=None)
    with pytest.raises(BadInputError, match="test split has no rows"):
        evaluate(number_spec(task), Stop())
