"""train, export and evaluate where labels have no row: in training, in validation, in test, or in all of them."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import BadInputError
from millrace.contracts.model import BaseModelRef
from millrace.contracts.report import EvaluateResult, TrainResult
from millrace.contracts.run_spec import EvaluateTask, ExportTask, RunSpec, TrainTask
from millrace.step.main import Stop
from millrace_train.evaluate import evaluate
from millrace_train.export import export
from millrace_train.train import train

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeExportTask: TypeAlias = Callable[..., ExportTask]
MakeRows: TypeAlias = Callable[[int], Rows]


def with_dataset(spec: RunSpec, **changes: Any) -> RunSpec:
    """The spec with fields of its data set changed."""
    dataset = spec.workload.dataset.model_copy(update=changes)
    return spec.model_copy(update={"workload": spec.workload.model_copy(update={"dataset": dataset})})


def chain(
    make: Callable[[Any], RunSpec], version: DatasetVersion, base: BaseModelRef | None, export_task: MakeExportTask
) -> tuple[TrainResult, EvaluateResult]:
    """All three steps; the version is judged beside itself."""
    trained = train(make(TrainTask(dataset=version, base_model=base)), Stop())
    assert trained is not None
    model = export(make(export_task(version, base, trained)), Stop()).model
    return trained, evaluate(
        make(EvaluateTask(dataset=version, candidate=model, live=model, latency_requests=5)), Stop()
    )


@pytest.mark.parametrize("absent", [("train",), ("validation",), ("test",), ("train", "validation", "test")])
def test_single_labels(
    number_spec: MakeSpec,
    write_table: WriteTable,
    make_number_rows: MakeRows,
    export_task: MakeExportTask,
    absent: tuple[str, ...],
) -> None:
    rows = [row for row in make_number_rows(300) if row["group"] != "high" or row["split_"] not in absent]
    version = write_table(rows)

    def make(task: Any) -> RunSpec:
        spec = number_spec(task)
        target = spec.workload.dataset.target.model_copy(update={"optional_labels": ("high",)})
        return with_dataset(spec, target=target)

    _, judged = chain(make, version, None, export_task)
    quality = judged.candidate
    scores = {score.label: score for score in quality.labels}
    assert scores["high"].support == sum(row["group"] == "high" and row["split_"] == "test" for row in rows)
    occurring = [score.f1 for score in quality.labels if score.support]
    assert quality.macro_f1 == pytest.approx(np.mean(occurring))
    assert len(occurring) == (2 if "test" in absent else 3)
    assert quality.micro_f1 > (0.5 if absent == ("train",) else 0.9)
    assert judged.baseline is not None
    assert judged.baseline.micro_f1 > 0.5


@pytest.mark.parametrize("absent", [("train",), ("train", "validation", "test")])
def test_label_sets(
    text_spec: MakeSpec,
    write_table: WriteTable,
    make_text_rows: MakeRows,
    base_model: BaseModelRef,
    export_task: MakeExportTask,
    absent: tuple[str, ...],
) -> None:
    rows = [
        {**row, "labels": [label for label in row["labels"] if label != "space" or row["split_"] not in absent]}
        for row in make_text_rows(300)
    ]
    version = write_table(rows)

    def make(task: Any) -> RunSpec:
        spec = text_spec(task, epochs=4)
        target = spec.workload.dataset.target.model_copy(update={"optional_labels": ("space",)})
        return with_dataset(spec, target=target)

    trained, judged = chain(make, version, base_model, export_task)
    assert all(0 < threshold < 1 for threshold in trained.thresholds)
    assert judged.candidate.micro_f1 > 0.5
    assert judged.baseline is not None
    if "test" in absent:
        assert {score.label for score in judged.candidate.labels if not score.support} == {"space"}
        assert judged.candidate.macro_f1 == pytest.approx(
            np.mean([score.f1 for score in judged.candidate.labels if score.support])
        )


def test_one_label_alone(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, export_task: MakeExportTask
) -> None:
    version = write_table([row | {"group": "low"} for row in make_number_rows(200)])

    def make(task: Any) -> RunSpec:
        spec = number_spec(task)
        target = spec.workload.dataset.target.model_copy(update={"optional_labels": ("high", "middle")})
        return with_dataset(spec, target=target)

    _, judged = chain(make, version, None, export_task)
    assert (judged.candidate.micro_f1, judged.candidate.macro_f1) == (1.0, 1.0)
    assert judged.baseline is not None
    assert judged.baseline.micro_f1 == 1.0


def test_a_label_that_is_not_optional_is_refused(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows
) -> None:
    version = write_table([row for row in make_number_rows(200) if row["group"] != "high"])
    with pytest.raises(BadInputError, match=r"labels without an example: high[\s\S]*optional_labels"):
        train(number_spec(TrainTask(dataset=version, base_model=None)), Stop())
