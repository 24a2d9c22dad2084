"""What the plugin's listener passes on, and what it keeps from the modules that take long to import."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.log import Log

from millrace.orchestration import audit_listeners, listeners
from millrace.orchestration.plugin_listener import PluginListener

OURS, THEIRS = SimpleNamespace(tags={"millrace", "ml"}), SimpleNamespace(tags={"etl"})


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for module in (audit_listeners, listeners):
        for name in [name for name in vars(module) if name.startswith("on_")]:
            who = f"{module.__name__.rpartition('.')[2]}.{name}"
            monkeypatch.setattr(module, name, lambda *given, who=who: found.append((who, *given)))
    return found


@pytest.mark.parametrize("dag", [OURS, None])
def test_a_workloads_run_reaches_the_audit_and_then_the_ledger(heard: list[tuple[Any, ...]], dag: Any) -> None:
    run = SimpleNamespace(dag=dag)
    PluginListener().on_dag_run_running(run, "a")
    PluginListener().on_dag_run_success(run, "b")
    PluginListener().on_dag_run_failed(run, "c")
    assert heard == [
        ("audit_listeners.on_dag_run_running", run, "a"),
        ("audit_listeners.on_dag_run_success", run, "b"),
        ("listeners.on_dag_run_success", run, "b"),
        ("audit_listeners.on_dag_run_failed", run, "c"),
        ("listeners.on_dag_run_failed", run, "c"),
    ]


def test_another_dags_run_reaches_nobody(heard: list[tuple[Any, ...]]) -> None:
    for hear in (
        PluginListener().on_dag_run_running,
        PluginListener().on_dag_run_success,
        PluginListener().on_dag_run_failed,
    ):
        hear(SimpleNamespace(dag=THEIRS), "")
    assert heard == []


def test_a_task_is_passed_on_where_airflows_database_is_at_hand(heard: list[tuple[Any, ...]]) -> None:
    for task in (SimpleNamespace(state="failed"), row := Log("asked")):
        PluginListener().on_task_instance_success("running", task)
        PluginListener().on_task_instance_failed("running", task, "why")
        PluginListener().on_task_instance_skipped("running", task)
    assert heard == [
        ("audit_listeners.on_task_instance_success", "running", row),
        ("listeners.on_task_instance_success", row),
        ("audit_listeners.on_task_instance_failed", "running", row, "why"),
        ("listeners.on_task_instance_failed", row),
        ("audit_listeners.on_task_instance_skipped", "running", row),
        ("listeners.on_task_instance_skipped", row),
    ]
