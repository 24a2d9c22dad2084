"""Make the task of each step's spec from the run and the ledger."""

import hashlib
from datetime import date
from typing import TypeVar

from millrace.contracts.data import DatasetVersion, Profile, StagedPartition
from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import MANIFEST_FILE, BaseModelRef
from millrace.contracts.plan import Plan
from millrace.contracts.report import ExportResult, IngestResult, TrainResult
from millrace.contracts.run_spec import EvaluateTask, ExportTask, IngestTask, TrainTask, ValidateTask
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import LiveModel
from millrace.runs.run import Run, base_model_uri
from millrace.storage import files

R = TypeVar("R")


def ingest(run: Run, ledger: Ledger) -> IngestTask:
    """Return the task of ingest: read the files of the run's window, or of this mapped task's part of it."""
    return IngestTask(window=run.window)


def staged(run: Run, ledger: Ledger) -> tuple[StagedPartition, ...]:
    """Return the staged partitions of the run's window, each day from the newest ingest report that includes it.

    Raises TransientError if no report includes a day.
    """
    by_day: dict[date, StagedPartition | None] = {}
    for report in ledger.committed_reports(run.dag_id, run.run_id, "ingest"):
        if isinstance(report.result, IngestResult):
            for partition in report.result.staged:
                by_day.setdefault(partition.partition, partition)
            for day in report.result.absent:
                by_day.setdefault(date.fromisoformat(day), None)
    if not by_day.keys() >= set(run.window.days):
        raise _missing(run, "ingest")
    return tuple(left for day in run.window.days if (left := by_day[day]) is not None)


def validate(run: Run, ledger: Ledger) -> ValidateTask:
    """Return the task of validate: check this run's staged partitions against the data of the live model.

    With deduplication over the whole dataset, the engine is Spark from ``spark_from_bytes`` of data on.
    """
    partitions = staged(run, ledger)
    name, until, generation = run.workload.name, run.window.last, run.generation
    published, shuffled = None, False
    if run.workload.dataset.deduplicate == "dataset":
        published = ledger.latest_dataset(name, until=until, generation=generation)
        earlier = ledger.profile(name, until=until, outside=run.window, generation=generation)
        size_bytes = sum(partition.source_bytes for partition in partitions) + (earlier.bytes if earlier else 0)
        shuffled = run.spark_from_bytes is not None and size_bytes >= run.spark_from_bytes
    return ValidateTask(
        staged=partitions,
        dataset_uri=run.dataset_uri,
        published=published,
        engine="spark" if shuffled else "arrow",
        live_profile=_live_profile(run, ledger),
        base_model=base_model(run),
    )


def _live_profile(run: Run, ledger: Ledger) -> Profile | None:
    """Return the profile of the live version's data; None if that is of another generation and not comparable."""
    live = ledger.live_model(run.workload.name)
    if live is None or live.dataset.generation != run.generation:
        return None
    return ledger.profile(run.workload.name, until=live.dataset.until, generation=run.generation)


def train(run: Run, ledger: Ledger) -> TrainTask:
    """Return the task of train: the planned dataset version, with as many rows at once as fit into the hardware.

    That number is the ledger's OOM correction for the workload and hardware; None feeds a whole batch at once.
    """
    plan = planned(run, ledger)
    rows_at_once = ledger.device_rows_correction(run.workload.name, plan.hardware.name)
    return TrainTask(dataset=plan.dataset, base_model=base_model(run), rows_at_once=rows_at_once)


def export(run: Run, ledger: Ledger) -> ExportTask:
    """Return the task of export: the model that this run trained."""
    trained = result_of(run, ledger, "train", TrainResult)
    return ExportTask(
        dataset=planned(run, ledger).dataset,
        base_model=base_model(run),
        trained_uri=trained.trained_uri,
        trained_sha256=trained.trained_sha256,
        models_uri=run.models_uri,
    )


def evaluate(run: Run, ledger: Ledger) -> EvaluateTask:
    """Return the task of evaluate: the version that this run exported, and the live one if it is comparable."""
    candidate = result_of(run, ledger, "export", ExportResult).model
    live = ledger.live_model(run.workload.name)
    beside = live and live.model.version != candidate.version and is_comparable(run, ledger, live)
    return EvaluateTask(
        dataset=planned(run, ledger).dataset, candidate=candidate, live=live.model if live and beside else None
    )


def is_comparable(run: Run, ledger: Ledger, live: LiveModel | None) -> bool:
    """Return whether the live version can be compared with this run's candidate: both of one dataset generation, since
    other generations may have other features; True if no version is live.
    """
    return live is None or live.dataset.generation == planned(run, ledger).dataset.generation


def newest_dataset(run: Run, ledger: Ledger) -> DatasetVersion:
    """Return the newest published version up to the run's last day. Raises BadInputError if there is none."""
    dataset = ledger.latest_dataset(run.workload.name, until=run.window.last, generation=run.generation)
    if dataset is None:
        raise BadInputError(
            "there is no published data to train on",
            where=f"workload {run.workload.name}, up to {run.window.last}",
            rule="training reads only a dataset version that the ledger names",
            remedy="run ingest and validate for at least one day first",
        )
    return dataset


def planned(run: Run, ledger: Ledger) -> Plan:
    """Return this run's plan; later steps use its dataset version, not newer data.

    Raises TransientError if the run has no plan.
    """
    plan = plan_of(run, ledger)
    if plan is None:
        raise _missing(run, "size")
    return plan


def plan_of(run: Run, ledger: Ledger) -> Plan | None:
    """Return this run's plan, which a task reads once; None if it has none."""
    if not run.plans and (plan := ledger.plan(run.dag_id, run.run_id)):
        run.plans.append(plan)
    return run.plans[0] if run.plans else None


def base_model(run: Run) -> BaseModelRef | None:
    """Return the workload's base model with its manifest's digest; None if it declares none.

    Raises BadInputError if the base model is not in the store.
    """
    name = run.workload.training.base_model
    if name is None:
        return None
    uri = base_model_uri(run.store, name)
    try:
        manifest = files.read_bytes(files.join(uri, MANIFEST_FILE))
    except FileNotFoundError as error:
        raise BadInputError(
            f"the base model {name!r} is not in the model store",
            where=uri,
            rule="weights are brought in by hand, never asked from a hub",
            remedy=f"python -m millrace base-model add {name} FOLDER",
        ) from error
    return BaseModelRef(name=name, uri=uri, manifest_sha256=hashlib.sha256(manifest).hexdigest())


def result_of(run: Run, ledger: Ledger, task_id: str, kind: type[R]) -> R:
    """Return the result in an earlier step's report of this run. Raises TransientError if the ledger has none."""
    report = ledger.committed_report(run.dag_id, run.run_id, task_id)
    if report is None or not isinstance(report.result, kind):
        raise _missing(run, task_id)
    return report.result


def _missing(run: Run, task_id: str) -> TransientError:
    return TransientError(
        f"the report of {task_id} is not in the ledger",
        where=f"{run.dag_id} / {run.run_id}",
        rule="a step succeeded when its report is committed",
        remedy=f"clear the task {task_id}, so that it runs again",
    )
