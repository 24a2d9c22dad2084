"""What Airflow's processes register as Millrace's listener: it imports nothing until a workload's run is concerned.

Airflow loads it in every task's process, of any DAG, and the modules that do the work take most of a second.
"""

from typing import Any

from airflow.listeners import hookimpl

_TAG = "millrace"


class PluginListener:
    """Passes each event to ``audit_listeners`` and ``listeners``, where it may concern a workload."""

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """A run begins, or begins again after it was cleared."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners

            audit_listeners.on_dag_run_running(dag_run, msg)

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """A run ended, or was marked."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_dag_run_success(dag_run, msg)
            listeners.on_dag_run_success(dag_run, msg)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
        """A run ended, or was marked."""
        if _may_be_ours(dag_run):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_dag_run_failed(dag_run, msg)
            listeners.on_dag_run_failed(dag_run, msg)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
        """A task was marked; of one that ends by itself there is nothing to do."""
        if _is_marked(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_success(previous_state, task_instance)
            listeners.on_task_instance_success(task_instance)

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:  # noqa: ANN401
        """A task was marked, or lost by Airflow."""
        if _is_marked(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_failed(previous_state, task_instance, error)
            listeners.on_task_instance_failed(task_instance)

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
        """A task was marked."""
        if _is_marked(task_instance):
            from millrace.orchestration import audit_listeners, listeners

            audit_listeners.on_task_instance_skipped(previous_state, task_instance)
            listeners.on_task_instance_skipped(task_instance)


def _may_be_ours(dag_run: Any) -> bool:  # noqa: ANN401
    """False for a run whose DAG Airflow has at hand, and which has not the tag of Millrace's DAGs."""
    dag = getattr(dag_run, "dag", None)
    return dag is None or _TAG in dag.tags


def _is_marked(task_instance: Any) -> bool:  # noqa: ANN401
    """Whether this is a row of Airflow's database: a task's own process has a stand-in, and no database."""
    return hasattr(type(task_instance), "__mapper__")
