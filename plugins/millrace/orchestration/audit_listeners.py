"""Listener functions that copy manual actions from Airflow's log into the audit on each event of a run or task.

The API server calls them when a person marks a state; the scheduler calls them when a run begins, restarts or ends.
"""

from typing import Any

from sqlalchemy.orm import object_session

from millrace.orchestration.plugin_listener import is_row
from millrace.settings import load_settings


def on_dag_run_running(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """Called when a run begins, also after it was cleared."""
    _look(dag_run)


def on_dag_run_success(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """Called when a run ends or is marked."""
    _look(dag_run)


def on_dag_run_failed(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """Called when a run ends or is marked."""
    _look(dag_run)


def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """Called when a task is marked; has no effect in the process of a task that ends by itself."""
    _look(task_instance)


def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:  # noqa: ANN401
    """Called when a task is marked."""
    _look(task_instance)


def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """Called when a task is marked."""
    _look(task_instance)


def _look(what: Any) -> None:  # noqa: ANN401 - Airflow's database row, or its substitute in a task's process
    if not is_row(what):
        return
    session = object_session(what)
    if session is not None:
        from millrace.orchestration.airflow_actions import (
            take_over,  # imports Airflow's models, which a task's process does not need
        )

        take_over(session, load_settings().ledger())
