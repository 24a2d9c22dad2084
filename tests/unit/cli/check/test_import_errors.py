"""What a DAG file's import error says in Airflow for a workload that could not run as it is declared."""

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from millrace.contracts.errors import BadInputError
from millrace.contracts.workload import Workload
from millrace.pipeline import build_dag


def test_every_mistake_is_in_the_import_error_with_its_rule_and_remedy(write: Callable[..., Path]) -> None:
    file = write(
        ('"amount", type="float64"', '"amount", type="float64", nullable=True'),
        ('"amount", "price"),', '"amount", "city"),'),
        ('"hidden": "32"', '"hiden": "32"'),
        ('("no", "yes")', '("no", "never")'),
    )
    bag = DagBag(dag_folder=str(file))
    assert not bag.dags
    said = next(iter(bag.import_errors.values()))
    for words in (
        "'amount' is nullable", "'city', which is string", "did you mean hidden?", "'never' can never occur",
        "where:  workload.", "rule:", "remedy:",
    ):  # fmt: skip
        assert words in said, said


def test_what_a_data_set_breaks_of_its_own_rules_is_told_at_once(write: Callable[..., Path]) -> None:
    file = write(('"amount", "price"),', '"amuont", "price"),'), ('unique_by=("id",)', 'unique_by=("ident",)'))
    said = next(iter(DagBag(dag_folder=str(file)).import_errors.values()))
    for words in ("'amuont' is used but not declared", "did you mean amount?", "'ident'", "rule:", "remedy:"):
        assert words in said, said


def test_a_misspelt_keyword_is_told_in_plain_words(write: Callable[..., Path]) -> None:
    file = write(('format="csv"', 'formt="csv"'))
    said = next(iter(DagBag(dag_folder=str(file)).import_errors.values()))
    for words in ("Source has no 'formt'", "where:  formt", "rule:   it has uri_template", "did you mean format?"):
        assert words in said, said


def test_an_unknown_trainer_makes_no_dag(workload: Workload) -> None:
    training = workload.training.model_copy(update={"trainer": "mlp_clasifier"})
    with pytest.raises(BadInputError, match="did you mean mlp_classifier"):
        build_dag(workload.model_copy(update={"training": training}))
