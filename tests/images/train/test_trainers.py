"""Trainers by name, their options and their demands."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from millrace.contracts.data import DatasetVersion
from millrace.contracts.errors import BadInputError
from millrace.contracts.model import BaseModelRef
from millrace.contracts.run_spec import RunSpec, TrainTask
from millrace.contracts.trainers import BertOptions, MlpOptions, parse_options
from millrace.contracts.workload import Option
from millrace_train.job import fingerprint, read_job

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]


@pytest.fixture
def version(write_table: WriteTable, make_number_rows: MakeRows) -> DatasetVersion:
    return write_table(make_number_rows(6))


def with_workload(spec: RunSpec, **changes: Any) -> RunSpec:
    workload = spec.workload.model_copy(update=changes)
    return spec.model_copy(update={"workload": workload})


def test_an_unknown_trainer_is_refused_with_the_known_ones(number_spec: MakeSpec, version: DatasetVersion) -> None:
    spec = number_spec(TrainTask(dataset=version, base_model=None))
    training = spec.workload.training.model_copy(update={"trainer": "oracle"})
    with pytest.raises(BadInputError) as caught:
        read_job(with_workload(spec, training=training))
    assert "oracle" in caught.value.what
    assert "bert_text_classifier" in caught.value.rule
    assert "mlp_classifier" in caught.value.rule


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"hiden": "64"}, "hiden"),
        ({"hidden": 64}, "hidden"),
        ({"hidden": "64,,3"}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": "0.1"}, "dropout"),
        ({"precision": "float16"}, "precision"),
        ({"checkpoint_seconds": 0}, "checkpoint_seconds"),
        ({"baseline": 1}, "baseline"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Option], named: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_options(MlpOptions, options)
    assert caught.value.where == f"workload.training.options.{named}"
    assert "hidden" in caught.value.rule


def test_options_have_defaults_and_take_whole_numbers_for_broken_ones() -> None:
    options = parse_options(BertOptions, {"checkpoint_seconds": 5, "buckets": "8,16"})
    assert options.precision == "float32"
    assert options.checkpoint_seconds == 5


def test_text_needs_text_and_numbers_need_numbers(
    number_spec: MakeSpec, text_spec: MakeSpec, version: DatasetVersion
) -> None:
    task = TrainTask(dataset=version, base_model=None)
    numbers, text = number_spec(task), text_spec(task)
    with pytest.raises(BadInputError, match="cannot take the features"):
        read_job(with_workload(text, dataset=numbers.workload.dataset))
    with pytest.raises(BadInputError, match="cannot take the features"):
        read_job(with_workload(numbers, dataset=text.workload.dataset))


def test_a_text_needs_a_length(text_spec: MakeSpec, version: DatasetVersion) -> None:
    spec = text_spec(TrainTask(dataset=version, base_model=None))
    training = spec.workload.training.model_copy(update={"max_length": None})
    with pytest.raises(BadInputError, match="max_length"):
        read_job(with_workload(spec, training=training))


def test_the_fingerprint_changes_with_what_losses_follow_from(
    text_spec: MakeSpec, version: DatasetVersion, base_model: BaseModelRef
) -> None:
    task = TrainTask(dataset=version, base_model=base_model)

    def of(dataset: DatasetVersion = version, **changes: Any) -> str:
        return fingerprint(text_spec(task, **changes), dataset, base_model)

    assert of() == of(attempt=2) == of(options={"checkpoint_seconds": 1.0}) == of(dry_run=True)
    others = [
        of(seed=8),
        of(learning_rate=0.1),
        of(rows=10),
        of(max_length=16),
        of(options={"dropout": 0.5}),
        of(dataset=version.model_copy(update={"version": 3})),
    ]
    assert len({of(), *others}) == len(others) + 1
