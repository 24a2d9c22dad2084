"""Every file in dags/ is a DAG that says who owns it and what to do when it fails."""

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from millrace.contracts.tasks import TASKS
from millrace.pipeline import build_dag


@pytest.fixture(scope="module")
def bag(repository: Path) -> DagBag:
    return DagBag(dag_folder=str(repository / "dags"))


def _workloads(bag: DagBag) -> list[DAG]:
    return [dag for dag in bag.dags.values() if "site" not in dag.tags]


def test_every_file_yields_its_dag(bag: DagBag, repository: Path) -> None:
    assert bag.import_errors == {}
    files = {path.stem for path in (repository / "dags").glob("*.py")}
    assert files
    assert set(bag.dags) == files


def test_every_task_has_an_owner_a_timeout_retries_and_a_doc_line(bag: DagBag) -> None:
    for dag in bag.dags.values():
        assert dag.doc_md
        assert "When a run fails" in dag.doc_md
        for task in dag.tasks:
            where = f"{dag.dag_id}.{task.task_id}"
            timeout = task.execution_timeout or getattr(task, "response_timeout", None)
            assert isinstance(timeout, timedelta), where
            assert task.owner not in ("", "airflow"), where
            assert task.retries >= 1, where
            assert task.doc, where


def test_the_chain_is_the_agreed_one(bag: DagBag) -> None:
    chain = TASKS[: TASKS.index("gate") + 1]
    for dag in _workloads(bag):
        for before, after in itertools.pairwise(chain):
            assert after in dag.get_task(before).downstream_task_ids
        assert dag.get_task("gate").downstream_task_ids == {"approve", "roll_out", "finish"}
        assert dag.get_task("roll_out").downstream_task_ids == {"watch"}
        assert dag.get_task("watch").downstream_task_ids == {"finish"}
        assert set(dag.task_ids) == set(TASKS)


def test_where_each_row_is_once_in_the_data_set_validation_follows_the_earlier_days(bag: DagBag) -> None:
    size: Any = bag.dags["news_topics"].get_task("size")
    workload = size.workload
    dataset = workload.dataset.model_copy(update={"deduplicate": "dataset"})
    dag = build_dag(workload.model_copy(update={"dataset": dataset}))
    for before, after in itertools.pairwise(["ingest", "await_earlier_partitions", "validate", "size"]):
        assert dag.get_task(before).downstream_task_ids == {after}


def test_the_form_is_typed_bounded_and_documented(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, f"{dag.dag_id}.{name}"
            assert param.schema.get("type") or param.schema.get("enum"), f"{dag.dag_id}.{name}"
            if param.schema.get("type") in ("integer", "number"):
                assert {"minimum", "maximum"} <= set(param.schema), f"{dag.dag_id}.{name} has no bounds"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("rows", -1),
        ("learning_rate", 0),
        ("hardware", "../x"),
        ("partition_from", "soon"),
    ],
)
def test_a_parameter_out_of_range_is_refused(bag: DagBag, name: str, value: object) -> None:
    for dag in _workloads(bag):
        param = dag.params.get_param(name)
        with pytest.raises(Exception, match=r"(?i)invalid|validat|not of type|minimum|match"):
            type(param)(value, **param.schema).resolve()
