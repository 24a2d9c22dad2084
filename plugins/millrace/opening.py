"""Enters a DAG run in the ledger and says what a task needs to know of it."""

from datetime import timedelta

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from millrace.contracts.data import Window
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.run import Run
from millrace.settings import Settings


def try_key(run: Run, task_id: str, context: Context) -> TryKey:
    """The key of the try that this context belongs to."""
    task_instance = context["ti"]
    index = task_instance.map_index
    return run.key(task_id, task_instance.try_number, -1 if index is None else index)


def actor(run: Run) -> Actor:
    """The run, as the ledger keeps who changed a model version."""
    return Actor.of(RunKey(run.dag_id, run.run_id, run.repeat))


def open_run(
    workload: Workload, context: Context, settings: Settings, ledger: Ledger, begins_repeats: bool = True
) -> Run:
    """The run that this task belongs to, entered in the ledger. Raises AirflowFailException for bad parameters."""
    dag_run = context["dag_run"]
    try:
        parameters = Parameters.model_validate(dict(context["params"]))
        own_day = (dag_run.data_interval_start or dag_run.run_after - timedelta(days=1)).date()
        first = parameters.partition_from or own_day
        window = Window(first=first, last=parameters.partition_to or max(first, own_day))
    except ValueError as error:
        raise AirflowFailException(f"The run's parameters are refused.\n{error}") from error
    repeat = None if begins_repeats else ledger.last_repeat(dag_run.dag_id, dag_run.run_id)
    if repeat is None:
        repeat = ledger.open_run(
            dag_run.dag_id,
            dag_run.run_id,
            workload=workload.name,
            team=workload.team,
            site=settings.site,
            partition_first=window.first,
            partition_last=window.last,
            run_type=str(dag_run.run_type.value),
            quality_metric=workload.gate.metric,
            pue=settings.site_rates().pue,
        )
    return Run(
        workload=located(workload, settings.arrivals),
        parameters=parameters,
        window=window,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=str(dag_run.run_type.value),
        repeat=repeat,
        store=settings.store,
        spark_from_bytes=settings.spark_from_bytes,
    )


def located(workload: Workload, arrivals: str) -> Workload:
    """The workload with the site's place of arrivals in its source."""
    template = workload.dataset.source.uri_template.replace("{arrivals}", arrivals.rstrip("/"))
    source = workload.dataset.source.model_copy(update={"uri_template": template})
    return workload.model_copy(update={"dataset": workload.dataset.model_copy(update={"source": source})})
