"""Build the Airflow DAG of a workload: all tasks of a run and their order."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, BaseNotifier, Param, TriggerRule, chain
from airflow.sdk.definitions.dag import ScheduleArg
from airflow.sdk.definitions.deadline import DeadlineAlert

from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload
from millrace.contracts.workload_rules import require_sound
from millrace.orchestration.approval import APPROVAL_TIMEOUT
from millrace.orchestration.links import ModelsLink, ValidationLink
from millrace.orchestration.operators.approve import ApproveOperator
from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.operators.gate import GateOperator
from millrace.orchestration.operators.plan_ingest import PlanIngestOperator
from millrace.orchestration.operators.rollout import RolloutOperator
from millrace.orchestration.operators.size import SizeOperator
from millrace.orchestration.operators.step import StepOperator
from millrace.orchestration.operators.watch import WatchOperator
from millrace.orchestration.schedules import timetable
from millrace.orchestration.sensors.earlier_partitions import EarlierPartitionsSensor
from millrace.orchestration.sensors.start import StartSensor
from millrace.policies import steps
from millrace.policies.commit_lock import commit_lock
from millrace.runs import step_specs
from millrace.settings import load_settings

_SHORT = timedelta(minutes=15)
# of several mapped ingest tasks, some may be skipped because they found no data
_SOME_PART = TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
_FORM_SECTIONS = {
    "partition_from": "Data",
    "partition_to": "Data",
    "ingest_parts": "Data",
    "rows": "Data",
    "dry_run": "Run",
    "train": "Run",
    "budget": "Run",
    "start": "Run",
    "hardware": "Run",
}


def build_dag(
    workload: Workload,
    *,
    schedule: ScheduleArg = None,
    notifiers: Sequence[BaseNotifier] = (),
    deadline: DeadlineAlert | None = None,
) -> DAG:
    """Return the DAG of a workload; its tasks are the same for every workload, in the order of ``chain`` below.

    ``schedule`` (cron text, a timetable, assets) replaces the workload's own: see millrace.orchestration.schedules.
    ``notifiers`` are called when a run fails and when the gate asks a person. ``deadline`` is Airflow's alert for a
    run that takes too long; ``millrace.orchestration.deadlines`` has a reference that predicts a run's end. Raises
    BadInputError, which lists every mistake, for a workload that cannot run as declared.
    """
    if isinstance(schedule, str):
        workload, schedule = workload.model_copy(update={"schedule": schedule}), None
    require_sound(workload)
    arrives_within = workload.dataset.source.arrives_within or timedelta(0)
    with DAG(
        dag_id=workload.name,
        description=workload.description.splitlines()[0],
        doc_md=_doc(workload),
        schedule=timetable(workload) if schedule is None else schedule,
        start_date=datetime.combine(workload.start, time(), UTC),
        catchup=False,
        max_active_runs=8,
        params=trigger_form(workload),
        tags=["millrace", workload.team, workload.training.trainer],
        on_failure_callback=list(notifiers),
        deadline=deadline,
        default_args={
            "owner": workload.owner,
            "retries": workload.retries,
            "retry_delay": timedelta(seconds=5),
            "execution_timeout": workload.step_timeout,
        },
    ) as dag:
        of: dict[str, Any] = {"workload": workload}
        dataset, model = (Asset(f"{workload.name}/{what}", group="millrace") for what in ("dataset", "model"))
        step, spark, worker_group = load_operators()
        plan_ingest = PlanIngestOperator(
            task_id="plan_ingest",
            execution_timeout=_SHORT,
            admit=steps.data_within_budget,
            doc="Waits for a scheduled run's files; says which days are ingested side by side. Over budget, it asks.",
            **of,
        )
        ingest = step.partial(
            task_id="ingest",
            image="data",
            make_task=step_specs.ingest,
            map_index_template="{{ task.part.first }} to {{ task.part.last }}",
            doc="Arrivals into staging, a partition a day; as many tasks as the days were divided between.",
            **of,
        ).expand(part=plan_ingest.output)
        validate = spark(
            task_id="validate",
            image="data",
            make_task=step_specs.validate,
            admit=commit_lock,
            trigger_rule=_SOME_PART,
            outlets=[dataset],
            doc="Great Expectations; commits what passes.",
            **of,
        )
        earlier_partitions = EarlierPartitionsSensor(
            task_id="await_earlier_partitions",
            poke_interval=10,
            # an earlier day's run may wait for its file and then for an approval
            timeout=(workload.step_timeout + APPROVAL_TIMEOUT + arrives_within).total_seconds(),
            trigger_rule=_SOME_PART,
            doc="Takes no data set that an earlier day's run is still writing.",
            **of,
        )
        size = SizeOperator(
            task_id="size",
            execution_timeout=_SHORT,
            doc="Seconds, memory, joules and money, before they are spent.",
            doc_json=workload.model_dump_json(),  # for readers of the DAG from Airflow's database, without its file
            **of,
        )
        start = StartSensor(
            task_id="await_start",
            execution_timeout=_SHORT,
            admit=steps.may_train,
            doc="Waits for cleaner or cheaper hours, if the workload says so. Marked successful, training begins.",
            **of,
        )
        train = worker_group(
            task_id="train",
            image="train",
            make_task=step_specs.train,
            admit=steps.may_begin_training,
            max_active_tis_per_dag=1,
            inlets=[dataset],
            doc="Fine-tunes on the sized version; resumes from its checkpoint.",
            **of,
        )
        export = step(
            task_id="export", image="train", make_task=step_specs.export, doc="ONNX and digests, equal to Keras.", **of
        )
        evaluate = step(
            task_id="evaluate",
            image="train",
            make_task=step_specs.evaluate,
            doc="Quality, latency and joules of the export.",
            **of,
        )
        gate = GateOperator(
            task_id="gate",
            execution_timeout=_SHORT,
            on_pass="roll_out",  # noqa: S106 - a task
            on_inconclusive="approve",
            on_fail="finish",
            doc="Pass, fail or ask a person, with reasons.",
            **of,
        )
        approve = ApproveOperator(
            task_id="approve",
            subject=f"Shall the new {workload.name} model go live?",
            body="The gate could not decide:\n\n{{ ti.xcom_pull(task_ids='gate', key='reasons') }}",
            defaults=ApproveOperator.REJECT,
            notifiers=list(notifiers),
            response_timeout=APPROVAL_TIMEOUT,
            execution_timeout=None,
            doc="Nobody's answer within 24 h keeps the old version.",
            **of,
        )
        roll_out = RolloutOperator(
            task_id="roll_out",
            execution_timeout=timedelta(hours=1),
            trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
            doc="Canary in steps; no request fails. In a cluster a step that cannot be judged asks a person.",
            **of,
        )
        watch = WatchOperator(
            task_id="watch",
            execution_timeout=timedelta(hours=1),
            outlets=[model],
            doc="Replays test rows; makes the version live.",
            **of,
        )
        finish = FinishOperator(
            task_id="finish",
            execution_timeout=_SHORT,
            trigger_rule=TriggerRule.ALL_DONE,
            doc="The run's terminal state and reason.",
            **of,
        )
        validate.operator_extra_links = [*validate.operator_extra_links, ValidationLink()]
        shown: tuple[Any, ...] = (gate, roll_out, watch)
        for task in shown:
            task.operator_extra_links = [*task.operator_extra_links, ModelsLink()]
        # with deduplication over the whole dataset, validation depends on the rows that earlier days published
        overall = workload.dataset.deduplicate == "dataset"
        data = (earlier_partitions, validate) if overall else (validate, earlier_partitions)
        chain(ingest, *data, size, start, train, export, evaluate, gate)
        gate >> [approve, roll_out, finish]
        approve >> roll_out >> watch >> finish
    return dag


def load_operators() -> tuple[Any, ...]:
    """Return this launcher's operator classes of steps: step, step that may use Spark, training.

    The import is here because the classes for Kubernetes take seconds to import.
    """
    if load_settings().launcher == "kubernetes":
        from millrace.orchestration.operators.pod_spark import PodSparkOperator
        from millrace.orchestration.operators.pod_step import PodStepOperator
        from millrace.orchestration.operators.pod_worker_group import PodWorkerGroupOperator
        from millrace.orchestration.servers import cluster_servers  # noqa: F401 - spares forked tasks the import
        from millrace.storage import uploads  # noqa: F401

        return PodStepOperator, PodSparkOperator, PodWorkerGroupOperator
    return StepOperator, StepOperator, StepOperator


def trigger_form(workload: Workload) -> dict[str, Param]:
    """Return the fields of Airflow's trigger form: types, bounds and texts of Parameters, defaults of the workload."""
    training = workload.training
    defaults: dict[str, Any] = {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "learning_rate": training.learning_rate,
        "max_length": training.max_length,
    }
    form = {}
    for name, schema in Parameters.model_json_schema()["properties"].items():
        if name == "max_length" and training.max_length is None:
            continue
        kinds = schema.pop("anyOf", None)
        if kinds:
            schema = {**kinds[0], **schema, "type": ["null", kinds[0]["type"]]}
        if name == "max_length":
            schema["type"] = "integer"
        if "exclusiveMinimum" in schema:
            schema["minimum"] = 1e-9
            del schema["exclusiveMinimum"]
        default = defaults.get(name, schema.pop("default", None))
        schema.pop("default", None)
        form[name] = Param(default, **schema, section=_FORM_SECTIONS.get(name, "Training"))
    return form


def _doc(workload: Workload) -> str:
    return f"""{workload.description}

**Owner** {workload.owner}, team {workload.team}.

**When `plan_ingest` is deferred** a scheduled run waits for its day's file; its log says which, and until when.

**When a run fails** read `reason` of the run in the ledger's view `run_summary`, or the red task's log: an error names
the file, row or field, the rule and the remedy. Bad input is never retried and nothing of it is published. Clear the
task once the cause is gone; a killed training goes on from its checkpoint. The last good model keeps serving.
"""
