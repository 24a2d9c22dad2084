"""The Airflow listener that the plugin registers; it imports the modules that do the work on the first own event.

Airflow loads it in every task's process, of any DAG, and importing those modules takes most of a second.
"""

from typing import Any

from airflow.listeners import hookimpl

_TAG = "millrace"


class PluginListener:
    """Passes events that may concern a workload to ``audit_listeners`` and ``listeners``."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """Called when a run begins, also after it was cleared."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners

            audit_listeners.on_dag_run_running(dag_run, msg)

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """Called when a run ends or is marked."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_dag_run_success(dag_run, msg)
            listeners.on_dag_run_success(dag_run, msg)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """Called when a run ends or is marked."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_dag_run_failed(dag_run, msg)
            listeners.on_dag_run_failed(dag_run, msg)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
        """Called when a task is marked; does nothing for a task that ends by itself."""
        if is_row(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_success(previous_state, task_instance)
            listeners.on_task_instance_success(task_instance)

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:  # noqa: ANN401
        """Called when a task is marked or lost by Airflow."""
        if is_row(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_failed(previous_state, task_instance, error)
            listeners.on_task_instance_failed(task_instance)

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
        """Called when a task is marked."""
        if is_row(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_skipped(previous_state, task_instance)
            listeners.on_task_instance_skipped(task_instance)


def _may_be_ours(dag_run: Any) -> bool:  # noqa: ANN401
    """Return False if the run's DAG is loaded and does not have the tag of Millrace's DAGs."""
    dag = getattr(dag_run, "dag", None)
    return dag is None or _TAG in dag.tags


def is_row(what: Any) -> bool:  # noqa: ANN401
    """Return whether this is a row of Airflow's database; a task's process has a substitute, and no database."""
    return hasattr(type(what), "__mapper__")
