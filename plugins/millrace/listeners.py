"""What happens to a run outside its own tasks reaches the ledger too."""

from typing import Any

from airflow.listeners import hookimpl

from millrace import attempts
from millrace.run import run_folder_uri
from millrace.settings import load_settings


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """A run that a person or a timeout ended before its `close` ran is closed here, with that as its reason."""
    _close(dag_run, "failed", msg or "the DAG run was marked failed in Airflow")


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """A run that was marked successful before its `close` ran ends with that as its reason."""
    _close(dag_run, "success", msg or "the DAG run was marked successful in Airflow")


def _close(dag_run: Any, state: str, reason: str) -> None:  # noqa: ANN401
    settings = load_settings()
    ledger = settings.ledger()
    for run in ledger.open_runs(dag_run.dag_id):
        if run["run_id"] == dag_run.run_id:
            ledger.close_run(dag_run.dag_id, dag_run.run_id, run["repeat"], state=state, reason=reason)
            folder_uri = run_folder_uri(settings.store, dag_run.dag_id, dag_run.run_id)
            attempts.count_lost(folder_uri, run["repeat"], ledger)
