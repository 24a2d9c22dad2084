"""The step validate: check the staged partitions, and commit them to the Delta table only if all of them pass."""

import logging
import math
import operator
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import Dataset, Profile, StagedPartition
from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.report import ExpectationOutcome, ValidateResult
from millrace.contracts.run_spec import RunSpec, ValidateTask
from millrace.scoring.tokens import TextTokenizer
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace_data import unique
from millrace_data.judge import LABEL, SHARE_CHANGE, Judge, balance_expectations, label_expectations, row_expectations
from millrace_data.measure import Measurements, Profiler, TokenLengths, not_as_staged, open_tokenizer, parquet_batches
from millrace_data.schema import staged_schema, text_features
from millrace_data.streams import store_failed
from millrace_data.table import DatasetTable

if TYPE_CHECKING:
    from millrace_data.on_spark import Spark

log = logging.getLogger(__name__)

_ROWS, _LABELS, _BALANCE = "rows", "labels", "label balance"
_NAMED_FAILURES = 10
_STANDARD_ERRORS = 3


def validate(spec: RunSpec, stop: Stop) -> ValidateResult:
    """Check every staged partition against the workload's declaration, then commit them all to the Delta table.

    Raises Skip if nothing was staged. Raises BadInputError with partition, column, rule and counts if an expectation
    fails, and then commits nothing; the Data Docs are written in either case. A partition whose content the table
    already holds creates no new version. Raises TransientError if another run replaced one of the partitions meanwhile.
    """
    task = spec.task
    if not isinstance(task, ValidateTask):
        raise TypeError(f"not a validate task: {task.kind}")
    if not task.staged:
        raise Skip("no new data: nothing was staged")
    dataset = spec.workload.dataset
    run = {"dag_id": spec.key.dag_id, "run_id": spec.key.run_id, "repeat": str(spec.key.repeat)}
    table = DatasetTable(task.dataset_uri, dataset, run)
    with _engine(spec, task) as spark, Judge() as judge:
        if dataset.deduplicate == "dataset":
            task = task.model_copy(update={"staged": _once(task, dataset, spark, spec.attempt_uri, stop)})
        outcomes, profiles = _judge_all(judge, task, dataset, spark, stop)
        docs_uri = judge.write_docs(files.join(spec.attempt_uri, "out", "docs"))
    _refuse_failures(outcomes, task.dataset_uri, docs_uri)
    return ValidateResult(
        dataset_uri=task.dataset_uri,
        version=_commit_all(task, table, stop),
        published=task.staged,
        outcomes=tuple(outcomes),
        profiles=profiles,
    )


def _engine(spec: RunSpec, task: ValidateTask) -> "AbstractContextManager[Spark | None]":
    if task.engine != "spark":
        return nullcontext()
    from millrace_data.on_spark import Spark  # only the image's Spark variant contains PySpark

    return Spark(spec.hardware.memory_bytes)


def _once(
    task: ValidateTask, dataset: Dataset, spark: "Spark | None", attempt_uri: str, stop: Stop
) -> tuple[StagedPartition, ...]:
    """Return the staged partitions without rows that an earlier partition has; those that lose none are unchanged."""
    found = unique.sources(task.staged, task.published)
    folder_uri = files.join(attempt_uri, "out", "staged")
    if spark is not None:
        return spark.once(found, task.staged, dataset, folder_uri)
    repeats = unique.repeated(found, dataset, stop)
    return tuple(
        unique.without(partition, repeats.get(partition.partition, []), dataset, folder_uri)
        for partition in task.staged
    )


def _judge_all(
    judge: Judge, task: ValidateTask, dataset: Dataset, spark: "Spark | None", stop: Stop
) -> tuple[list[ExpectationOutcome], dict[str, Profile]]:
    judge.add_suite(_ROWS, row_expectations(dataset), on_spark=spark is not None)
    judge.add_suite(_LABELS, label_expectations(dataset))
    judge.add_suite(_BALANCE, balance_expectations(dataset))
    tokenizer = open_tokenizer(task.base_model) if task.base_model is not None and text_features(dataset) else None
    outcomes: list[ExpectationOutcome] = []
    profiles: dict[str, Profile] = {}
    for partition in task.staged:
        stop.check(f"before judging partition {partition.partition}")
        found, profile = _judge_partition(judge, partition, dataset, tokenizer, spark, stop)
        outcomes += found
        if profile is not None:
            profiles[partition.partition.isoformat()] = profile
        failed = sum(not outcome.success for outcome in found)
        log.info("partition %s: %s rules judged, %s failed", partition.partition, len(found), failed)
    if task.live_profile is not None and len(profiles) == len(task.staged):
        window = reduce(operator.add, profiles.values())
        outcomes += _judge_balance(judge, task, dataset, window, task.live_profile)
    return outcomes, profiles


def _judge_partition(
    judge: Judge,
    partition: StagedPartition,
    dataset: Dataset,
    tokenizer: TextTokenizer | None,
    spark: "Spark | None",
    stop: Stop,
) -> tuple[list[ExpectationOutcome], Profile | None]:
    day = partition.partition.isoformat()
    measurements = Measurements(dataset)

    def frame() -> object:
        return measurements.frame() if spark is None else spark.measurements(partition.file_uri, dataset)

    if not _has_all_columns(partition, dataset):
        for batch in parquet_batches(partition.file_uri) if spark is None else ():
            measurements.add(batch)
        return judge.judge(_ROWS, frame(), day), None
    profiler = Profiler(dataset)
    lengths = TokenLengths(tokenizer, text_features(dataset), partition.rows) if tokenizer else None
    for batch in parquet_batches(partition.file_uri):
        stop.check(f"judging partition {day}")
        if spark is None:
            measurements.add(batch)
        profiler.add(batch)
        if lengths is not None:
            lengths.add(batch)
    profile = profiler.profile(lengths.histogram() if lengths else None)
    labels = pd.DataFrame({LABEL: list(profile.label_counts)}, dtype="object")
    return [*judge.judge(_ROWS, frame(), day), *judge.judge(_LABELS, labels, day)], profile


def _has_all_columns(partition: StagedPartition, dataset: Dataset) -> bool:
    """Return whether the staged file has exactly the declared columns and Millrace's own.

    Raises BadInputError if the file is missing or damaged, or if a type or the row count differs.
    """
    uri, day = partition.file_uri, f"partition {partition.partition}:"
    system, path = files.locate(uri)
    try:
        with system.open_input_file(path) as stream:
            footer = pq.read_metadata(stream)
    except (pa.ArrowException, FileNotFoundError) as error:
        raise not_as_staged(uri, f"{day} the file is missing or damaged") from error
    except OSError as error:
        raise store_failed(uri, error) from error
    found, wanted = footer.schema.to_arrow_schema(), staged_schema(dataset)
    if footer.num_rows != partition.rows:
        raise not_as_staged(uri, f"{day} {footer.num_rows:,} rows where ingest reported {partition.rows:,}")
    for field in wanted:
        if field.name in found.names and found.field(field.name).type != field.type:
            kind = found.field(field.name).type
            raise not_as_staged(uri, f"{day} column {field.name!r} is {kind}, not {field.type}")
    return sorted(found.names) == sorted(wanted.names)


def _judge_balance(
    judge: Judge, task: ValidateTask, dataset: Dataset, window: Profile, live: Profile
) -> list[ExpectationOutcome]:
    labels = dataset.target.labels
    changes = [_share_change(window, live, label) for label in labels]
    frame = pd.DataFrame({LABEL: labels, SHARE_CHANGE: changes})
    days = sorted(partition.partition.isoformat() for partition in task.staged)
    outcomes = judge.judge(_BALANCE, frame, f"{days[0]}..{days[-1]}")
    most = dataset.expectations.max_label_share_change
    # Errors must not contain values of rows; declared labels are part of the workload, so the error may name them.
    named = ", ".join(
        f"{label} {_share(window, label) - _share(live, label):+.3f}"
        for label, change in zip(labels, changes, strict=True)
        if abs(change) > most
    )
    return [
        outcome if outcome.success else outcome.model_copy(update={"detail": f"{outcome.detail}: {named}"})
        for outcome in outcomes
    ]


def _share_change(window: Profile, live: Profile, label: str) -> float:
    """Return the label's share of the window's rows less its live share p, shrunk toward 0 by three standard errors.

    The standard error is binomial: sqrt(p * (1 - p) / rows).
    """
    expected = _share(live, label)
    change = _share(window, label) - expected
    by_chance = _STANDARD_ERRORS * math.sqrt(max(0.0, expected * (1 - expected)) / max(1, window.rows))
    return math.copysign(max(0.0, abs(change) - by_chance), change)


def _share(profile: Profile, label: str) -> float:
    return profile.label_counts.get(label, 0) / max(1, profile.rows)


def _refuse_failures(outcomes: list[ExpectationOutcome], dataset_uri: str, docs_uri: str) -> None:
    failed = [outcome for outcome in outcomes if not outcome.success]
    if not failed:
        return
    lines = [
        f"partition {outcome.partition}, {f'column {outcome.column!r}' if outcome.column else 'all columns'}: "
        f"{outcome.detail}"
        for outcome in failed
    ]
    more = f"; and {len(lines) - _NAMED_FAILURES} more" if len(lines) > _NAMED_FAILURES else ""
    raise BadInputError(
        f"{len(failed)} of {len(outcomes)} expectations failed: {'; '.join(lines[:_NAMED_FAILURES])}{more}",
        where=dataset_uri,
        rule="every expectation of the workload's declaration holds before anything is committed",
        remedy=f"correct the source and run again, or change the workload's declaration; Data Docs: {docs_uri}",
    )


def _commit_all(task: ValidateTask, table: DatasetTable, stop: Stop) -> int:
    """Commit partitions that the table does not hold yet; return a table version with all partitions of the window."""
    for partition in task.staged:
        stop.check(f"before committing partition {partition.partition}")
        table.commit(partition)
    held = table.contents()
    others = [str(staged.partition) for staged in task.staged if held.get(staged.partition) != staged.content_sha256]
    if others:
        raise TransientError(
            f"the partitions {others} were replaced by another run at the same time",
            where=task.dataset_uri,
            rule="one version holds all of the window's partitions",
            remedy="let the task be retried; two runs disagree on what the source held",
        )
    return table.version
