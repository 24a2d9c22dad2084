"""When something happens to a run, what people asked of Airflow until then reaches the audit.

The API server calls these for what is marked by hand, the scheduler for runs that begin, also again, and end.
"""

from typing import Any

from sqlalchemy.orm import object_session

from millrace.settings import load_settings


def on_dag_run_running(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """A run begins, or begins again after it was cleared."""
    _look(dag_run)


def on_dag_run_success(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """A run ended, or was marked."""
    _look(dag_run)


def on_dag_run_failed(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """A run ended, or was marked."""
    _look(dag_run)


def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """A task was marked; of one that ends by itself nothing is taken over."""
    _look(task_instance)


def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:  # noqa: ANN401
    """A task was marked."""
    _look(task_instance)


def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """A task was marked."""
    _look(task_instance)


def _look(what: Any) -> None:  # noqa: ANN401 - Airflow's row, or in a task's own process its stand-in
    if not hasattr(type(what), "__mapper__"):
        return  # a task's process has no database, and people's doings are no affair of it
    session = object_session(what)
    if session is not None:
        from millrace.orchestration.airflow_actions import (
            take_over,  # Airflow's models, which a task's process need not import
        )

        take_over(session, load_settings().ledger())
