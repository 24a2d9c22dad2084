"""`millrace airflow tasks clear` never ends well having cleared nothing."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.cli.commands import task_command
from airflow.serialization.definitions.dag import SerializedDAG

from millrace.cli.clearing import clear
from millrace.contracts.errors import BadInputError


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Airflow clears, by call; the DAG is there, without a database."""
    asked: list[Any] = []
    matching = SimpleNamespace(count=0)

    def clear_dags(dags: Any, **filters: Any) -> Any:
        asked.append((dags, filters))
        return ["ti"] * matching.count if filters.get("dry_run") else matching.count

    monkeypatch.setattr(SerializedDAG, "clear_dags", clear_dags)
    monkeypatch.setattr(task_command, "get_db_dag", lambda **_: "flow's DAG")
    monkeypatch.setattr("airflow.configuration.write_default_airflow_configuration_if_needed", lambda: None)
    asked.append(matching)
    return asked


def test_what_was_cleared_is_counted(found: list[Any]) -> None:
    found[0].count = 14
    assert clear(["-y", "flow"]) == 14
    assert found[1][0] == ["flow's DAG"]


def test_nothing_is_an_error_with_a_way_to_name_a_run(found: list[Any]) -> None:
    with pytest.raises(BadInputError) as caught:
        clear(["-y", "flow", "-s", "2026-01-01"])
    assert "nothing was cleared" in caught.value.what
    assert "2026-01-01" in caught.value.where
    assert "dags clear -y flow --run-id" in caught.value.remedy


def test_what_a_person_declined_is_not_nothing(found: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found[0].count = 3
    monkeypatch.setattr(task_command, "ask_yesno", lambda _: False)
    assert clear(["flow"]) == 3
