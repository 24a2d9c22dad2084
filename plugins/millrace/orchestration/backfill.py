"""A backfill that Airflow is asked to make: its own dry run says which days, its DAG says of which workload."""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG

from millrace.contracts.data import Window
from millrace.contracts.errors import BadInputError
from millrace.contracts.workload import Workload
from millrace.orchestration import schedules

_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?\+00:00")


def backfill_windows(dag: DAG, arguments: list[str], environment: Mapping[str, str]) -> list[Window]:
    """The days of each run that ``airflow backfill create`` would make with these arguments, by its own dry run.

    Raises BadInputError for a DAG of which Airflow makes no backfills, and with its words where it refuses them.
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
    # before them it repeats what it was asked for
    listed = done.stdout.partition("Runs to be attempted:")[2]
    return schedules.windows(dag.timetable, sorted({datetime.fromisoformat(at) for at in _TIMESTAMP.findall(listed)}))


def refuse_without_schedule(dag_id: str, has_backfills: bool) -> None:
    """Raises BadInputError where Airflow makes no backfills of a DAG."""
    if not has_backfills:
        raise BadInputError(
            "Airflow makes no backfills of a DAG without a schedule by time",
            where=f"DAG {dag_id}",
            rule="a backfill makes the runs that a schedule would have made",
            remedy='give the workload a schedule, such as schedule="@daily" (a DAG that is paused begins nothing by '
            "itself), or trigger one run with partition_from and partition_to",
        )


def find_workload(dag_id: str, folder: Path) -> tuple[Workload, dict[str, object]]:
    """A DAG's workload and its parameters' defaults. Raises as ``find_dag`` does."""
    return of_dag(find_dag(dag_id, folder))


def of_dag(dag: DAG) -> tuple[Workload, dict[str, object]]:
    """A workload's DAG taken apart: see ``find_workload``."""
    workload: Workload = dag.get_task("validate").workload  # type: ignore[union-attr]
    return workload, dict(dag.params.dump())


def find_dag(dag_id: str, folder: Path) -> DAG:
    """A workload's DAG. Raises BadInputError where no such DAG is built from one."""
    from airflow.dag_processing.dagbag import DagBag

    # DAG files import each other from there, as in Airflow's own processes
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
