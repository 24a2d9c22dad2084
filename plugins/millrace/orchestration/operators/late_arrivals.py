"""Finds days whose file came or changed after their run."""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowRuntimeError

from millrace.orchestration.connections import reach_stores
from millrace.runs.late_days import LateDay, late_days
from millrace.settings import load_settings


class LateArrivalsOperator(BaseOperator):
    """Lists the runs to trigger, one for each late day; the XCom has TriggerDagRunOperator's arguments.

    It leaves out DAGs that are paused or deleted, and runs that were triggered before, whatever their state: each
    version of a file is processed once.
    """

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Return the arguments of the runs to trigger."""
        settings = load_settings()
        reach_stores(settings)
        task = context["ti"]
        runs = []
        for late in late_days(settings.ledger(), settings.arrivals, datetime.now(UTC)):
            if not _is_on(task, late.dag_id) or task.get_dr_count(dag_id=late.dag_id, run_ids=[late.run_id]):
                continue
            self.log.info("%s, %s: %s", late.dag_id, late.day, late.why)
            runs.append(_run(late))
        return runs


def _is_on(task: Any, dag_id: str) -> bool:  # noqa: ANN401 - Airflow's own
    try:
        return not task.get_dag(dag_id).is_paused
    except AirflowRuntimeError:  # the DAG was deleted
        return False


def _run(late: LateDay) -> dict[str, Any]:
    day = late.day.isoformat()
    conf = {"partition_from": day, "partition_to": day, "train": "newest"}
    return {"trigger_dag_id": late.dag_id, "trigger_run_id": late.run_id, "conf": conf}
