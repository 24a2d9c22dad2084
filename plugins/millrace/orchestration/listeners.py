"""Listener functions that record in the ledger what happens to a run outside its tasks, and end its leftovers."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import object_session

from millrace.contracts.errors import BadInputError
from millrace.contracts.reasons import EndState, Reason, ReasonCode
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.connections import reach_stores
from millrace.orchestration.run_entry import checked_parameters, enter, own_window
from millrace.runs import attempt_folders
from millrace.runs.outcome import RunOutcome, by_task, run_outcome, unaccounted
from millrace.runs.run import run_folder_uri
from millrace.runs.stop_request import STOPPED, stop_run, stop_task
from millrace.runs.stopping import is_wanted
from millrace.settings import Settings, load_settings

log = logging.getLogger(__name__)

# Airflow's messages for a run's end, and ours; any other message describes a person's action
_TASKS_FAILED = "task_failure"
_ENDS = {
    "success": Reason("every task is done, and none of them closed the run", ReasonCode.UNEXPLAINED),
    "all_tasks_deadlocked": Reason(
        "no task of the run could begin any more: Airflow's grid shows which one waits for what", ReasonCode.DEADLOCKED
    ),
    "timed_out": Reason("the run took longer than its DAG lets runs take", ReasonCode.TIMED_OUT),
    ReasonCode.BACKFILL_CANCELLED.value: Reason("its backfill was cancelled in Airflow", ReasonCode.BACKFILL_CANCELLED),
}


def on_dag_run_failed(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """Close a failed run in the ledger, with the reason as far as it is known, if its task `finish` did not.

    A run that is not in the ledger yet is entered first, so that the ledger has every end.
    """
    _close(dag_run, "failed", msg or "the DAG run was marked failed in Airflow")


def on_dag_run_success(dag_run: Any, msg: str) -> None:  # noqa: ANN401 - Airflow's own
    """Close a run that was marked successful before its task `finish` ran, with that as its reason."""
    _close(dag_run, "success", msg or "the DAG run was marked successful in Airflow")


def on_task_instance_success(task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """End the process or pod of a task that was marked successful."""
    _stop(task_instance)


def on_task_instance_failed(task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """End the process or pod of a task that was marked failed; one that Airflow lost and retries may go on."""
    _stop(task_instance)


def on_task_instance_skipped(task_instance: Any) -> None:  # noqa: ANN401 - Airflow's own
    """End the process or pod of a task that was marked skipped."""
    _stop(task_instance)


def _stop(task_instance: Any) -> None:  # noqa: ANN401
    """End the process or pod of a task that has ended; does nothing in the process of a task that ends by itself.

    Airflow signals the process of a marked task, but not if the task waits for a worker or its worker was killed.
    """
    # only processes with Airflow's database have loaded it; importing it takes a task's process a second
    models = sys.modules.get("airflow.models.taskinstance")
    if models is None or not isinstance(task_instance, models.TaskInstance) or is_wanted(str(task_instance.state)):
        return
    settings = load_settings()
    repeat = settings.ledger().last_repeat(task_instance.dag_id, task_instance.run_id)
    if repeat is None:
        return
    folder_uri = run_folder_uri(settings.store, task_instance.dag_id, task_instance.run_id)
    reach_stores(settings)
    stop_task(folder_uri, repeat, task_instance.task_id, task_instance.map_index, STOPPED, settings)


def _close(dag_run: Any, state: EndState, code: str) -> None:  # noqa: ANN401
    settings = load_settings()
    ledger = settings.ledger()
    repeat = _open_repeat(dag_run, settings, ledger)
    if repeat is None:
        return
    if code == _TASKS_FAILED:
        end = _of_tasks(dag_run, repeat, ledger)
    else:
        end = RunOutcome.of(state, _ENDS.get(code, Reason(code, ReasonCode.MARKED)))
    ledger.close_run(dag_run.dag_id, dag_run.run_id, repeat, state=end.state, reason=end.reason, code=end.code)
    folder_uri = run_folder_uri(settings.store, dag_run.dag_id, dag_run.run_id)
    reach_stores(settings)
    attempt_folders.count_lost(folder_uri, repeat, ledger)
    # also covers tasks without a waiting process that would end their work
    stop_run(folder_uri, repeat, STOPPED, settings)


def _open_repeat(dag_run: Any, settings: Settings, ledger: Ledger) -> int | None:  # noqa: ANN401
    """Return the number of the run's open repeat; enter a workload's run that the ledger does not have; else None."""
    for run in ledger.open_runs(dag_run.dag_id):
        if run["run_id"] == dag_run.run_id:
            return int(run["repeat"])
    workload = _workload(dag_run)
    if workload is None or ledger.last_repeat(dag_run.dag_id, dag_run.run_id) is not None:
        return None
    return enter(workload, dag_run, own_window(workload, dag_run, dag_run.dag.timetable), settings, ledger)


def _workload(dag_run: Any) -> Workload | None:  # noqa: ANN401
    """Return the workload that the DAG in Airflow's database was built from; None for other DAGs."""
    dag = getattr(dag_run, "dag", None)
    text = dag.get_task("size").doc_json if dag is not None and dag.has_task("size") else None
    return Workload.model_validate_json(text) if text else None


def _of_tasks(dag_run: Any, repeat: int, ledger: Ledger) -> RunOutcome:  # noqa: ANN401
    """Return the run's outcome by its tasks' states, as `finish` does, or by refused parameters if no task reported."""
    states = {name: state for name, state in by_task(_states(dag_run)).items() if name != "finish"}
    reasons = ledger.try_reasons(dag_run.dag_id, dag_run.run_id, repeat)
    if not reasons and (refusal := _refusal(dag_run)):
        return RunOutcome("failed", refusal, ReasonCode.REFUSED_PARAMETERS)
    return run_outcome(states, reasons) if "failed" in states.values() else unaccounted(states)


def _states(dag_run: Any) -> Mapping[str, str | None]:  # noqa: ANN401
    """Return the states of the run's task instances, read in the run's session, which may hold a database lock."""
    found = dag_run.get_task_instances(session=object_session(dag_run))
    return {
        each.task_id if each.map_index < 0 else f"{each.task_id}_{each.map_index}": str(each.state)
        if each.state
        else None
        for each in found
    }


def _refusal(dag_run: Any) -> str | None:  # noqa: ANN401
    """Return the reason if the run's parameters are refused: Airflow refuses some before any task starts. Else None."""
    dag = dag_run.dag
    given = {**{name: dag.params.get_param(name).value for name in dag.params}, **(dag_run.conf or {})}
    try:
        checked_parameters(given)
    except BadInputError as error:
        return error.what
    return None
