"""`make new-workload` writes one file that is a workload."""

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from millrace.cli.scaffold import write_workload
from millrace.contracts.errors import BadInputError


def test_the_file_is_a_dag_at_once(tmp_path: Path) -> None:
    write_workload("churn", tmp_path)
    bag = DagBag(dag_folder=str(tmp_path))
    assert bag.import_errors == {}
    assert set(bag.dags) == {"churn"}


@pytest.mark.parametrize("name", ["../x", "X", "a b", "", "9lives", "import os", "a-b", "x" * 64])
def test_an_unsafe_name_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError):
        write_workload(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_workload_is_never_overwritten(tmp_path: Path) -> None:
    write_workload("churn", tmp_path)
    with pytest.raises(BadInputError, match="exists"):
        write_workload("churn", tmp_path)
