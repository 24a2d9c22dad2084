"""Find the days of an Airflow backfill, by Airflow's dry run, and the workload of its DAG."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

from airflow.sdk import DAG

from millrace.contracts.data import Window
from millrace.contracts.errors import BadInputError
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.orchestration import schedules
from millrace.runs.run import Run

_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?\+00:00")


def backfill_windows(dag: DAG, arguments: list[str], environment: Mapping[str, str]) -> list[Window]:
    """Return the days of each run that ``airflow backfill create`` would make with these arguments, by its dry run.

    Raises BadInputError for a DAG that has no backfills, and with Airflow's message if it refuses the arguments.
    """
    refuse_without_schedule(dag.dag_id, schedules.has_backfills(dag.timetable))
    program = str(Path(sys.executable).with_name("airflow"))
    done = subprocess.run(
        [program, "backfill", "create", "--dry-run", *arguments],
        env=dict(environment), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BadInputError(
            (done.stderr or done.stdout).strip().splitlines()[-1],
            where=" ".join(arguments),
            rule="what `airflow backfill create` takes",
            remedy="correct the arguments as Airflow says",
        )
    # the text before this line repeats the arguments, which have dates too
    listed = done.stdout.partition("Runs to be attempted:")[2]
    return schedules.windows(dag.timetable, sorted({datetime.fromisoformat(at) for at in _TIMESTAMP.findall(listed)}))


def refuse_without_schedule(dag_id: str, has_backfills: bool) -> None:
    """Raise BadInputError for a DAG that has no backfills."""
    if not has_backfills:
        raise BadInputError(
            "Airflow makes no backfills of a DAG without a schedule by time",
            where=f"DAG {dag_id}",
            rule="a backfill makes the runs that a schedule would have made",
            remedy='give the workload a schedule, such as schedule="@daily" (a DAG that is paused begins nothing by '
            "itself), or trigger one run with partition_from and partition_to",
        )


def imagined_run(dag_id: str, folder: Path, conf: str, store: str) -> Run:
    """Return a run of a DAG's workload that does not exist, with the DAG's parameters changed by ``conf`` (JSON).

    Raises as ``find_dag`` does.
    """
    workload, defaults = of_dag(find_dag(dag_id, folder))
    parameters = Parameters.model_validate({**defaults, **json.loads(conf)})
    return Run.imagined(workload, parameters, date.today(), store)


def of_dag(dag: DAG) -> tuple[Workload, dict[str, object]]:
    """Return the workload and the parameters' defaults of a workload's DAG."""
    workload: Workload = dag.get_task("validate").workload  # type: ignore[union-attr]
    return workload, dict(dag.params.dump())


def find_dag(dag_id: str, folder: Path) -> DAG:
    """Return a workload's DAG from a folder. Raises BadInputError if no DAG of a workload has this ID."""
    from airflow.dag_processing.dagbag import DagBag

    # as in Airflow's own processes: DAG files may import each other from this folder
    sys.path.insert(0, str(folder))
    dag = DagBag(str(folder)).dags.get(dag_id)
    workload = getattr(dag.get_task("validate"), "workload", None) if dag and dag.has_task("validate") else None
    if dag is None or not isinstance(workload, Workload):
        raise BadInputError(
            f"there is no workload {dag_id!r}",
            where=str(folder),
            rule="a DAG that millrace.pipeline.build_dag built",
            remedy="name one of `python -m millrace airflow dags list`",
        )
    return dag
