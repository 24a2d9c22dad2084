"""``python -m matrix.task TASK TRY``: one try of one task of the matrix's run, as Airflow's task runner would do it.

The operators are those of the real DAG, the ledger and the launcher are real; Airflow's own part, the context, is given
here, so that a try takes no scheduler. The exit code says what Airflow would do next.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

OK, SKIPPED, FAILED, RETRY = 0, 99, 10, 20
DAG = "machine_faults"
RUN_ID = "manual__2026-03-04T00:00:00+00:00"
STATES = "FAULT_STATES"
FORMAT = "FAULT_FORMAT"
# a part of a mapped task: its index and its days, "1 2026-03-03..2026-03-03"; all days are part 0 otherwise
PART = "FAULT_PART"
TASKS_WITH_RESULTS = ("ingest", "validate", "train", "export", "evaluate")
_DAGS = Path(__file__).parents[2] / "e2e" / "dags"


def run_id_of(environment: Mapping[str, str]) -> str:
    """The run that an Airflow environment's tasks belong to."""
    return environment.get("FAULT_RUN_ID", RUN_ID)


def main(task_id: str, try_number: int) -> int:
    from airflow.sdk.definitions.mappedoperator import MappedOperator
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
    from matrix import warm

    from millrace.launchers import process

    warmly = SimpleNamespace(Popen=warm.popen, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)
    setattr(process, "subprocess", warmly)  # noqa: B010 - not exported
    spec = importlib.util.spec_from_file_location(DAG, _DAGS / f"{DAG}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    operator = _dag(module).task_dict[task_id]
    try:
        context = _context(task_id, try_number)
        if isinstance(operator, MappedOperator):
            index, days = os.environ.get(PART, f"0 {os.environ['FAULT_DAYS']}").split()
            first, last = days.split("..")
            context["ti"].map_index = int(index)
            operator = operator.unmap({"part": {"first": first, "last": last}})
        _execute(operator, context)
    except AirflowSkipException as skip:
        print(f"skipped: {skip}", flush=True)
        return SKIPPED
    except AirflowFailException as error:
        print(f"failed: {error}", flush=True)
        return FAILED
    except Exception as error:
        print(f"to be retried: {type(error).__name__}: {error}", flush=True)
        return RETRY
    print("done", flush=True)
    return OK


def _dag(module: Any) -> Any:
    """The DAG of the file, its source in another format if asked; files are read as soon as they are written."""
    from millrace.pipeline import build_dag

    ending = os.environ.get(FORMAT, "csv")
    workload = module.workload(DAG)
    template = f"{{arrivals}}/{DAG}/{{partition}}.{ending}"
    changes = {"uri_template": template, "format": ending, "quiet_seconds": 0}
    source = workload.dataset.source.model_copy(update=changes)
    return build_dag(workload.model_copy(update={"dataset": workload.dataset.model_copy(update={"source": source})}))


def _execute(operator: Any, context: Any) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    from millrace.orchestration.operators.gate import GateOperator
    from millrace.orchestration.operators.workload import WorkloadOperator

    # the gate's branching is a call to Airflow; its verdict is the run's
    execute = WorkloadOperator.execute if isinstance(operator, GateOperator) else type(operator).execute
    try:
        execute(operator, context)
    except TaskDeferred as deferred:
        _resume(operator, context, deferred)


def _resume(operator: Any, context: Any, deferred: Any) -> None:
    """Wait as the triggerer would, then go on as often as the task is deferred."""
    from airflow.sdk.exceptions import TaskDeferred

    while True:
        time.sleep(max(0.0, (deferred.trigger.moment - datetime.now(UTC)).total_seconds()))
        try:
            getattr(operator, deferred.method_name)(context, event=None, **(deferred.kwargs or {}))
            return
        except TaskDeferred as again:
            deferred = again


def _context(task_id: str, try_number: int) -> dict[str, Any]:
    first, last = os.environ["FAULT_DAYS"].split("..")
    run_id = run_id_of(os.environ)
    states = dict(pair.split("=") for pair in os.environ.get(STATES, "").split(",") if pair)
    instance = SimpleNamespace(
        id=f"{task_id}-{try_number}",
        try_number=try_number,
        map_index=-1,
        get_task_states=lambda **_: {run_id: states},
        get_dr_count=lambda **_: 0,
    )
    run = SimpleNamespace(
        dag_id=DAG,
        run_id=run_id,
        run_type=SimpleNamespace(value="manual"),
        data_interval_start=datetime(2026, 3, 3, tzinfo=UTC),
        run_after=datetime(2026, 3, 4, tzinfo=UTC),
    )
    params = {
        "partition_from": first, "partition_to": last, "epochs": 3, "batch_size": 32, "learning_rate": 1e-2,
    }  # fmt: skip
    return {"ti": instance, "dag_run": run, "params": params}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
