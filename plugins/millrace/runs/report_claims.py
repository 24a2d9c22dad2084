"""Check a step's report against its step spec, the table's log and digests: a report is not trusted for locations."""

import hashlib
from collections.abc import Iterable

from pydantic import ValidationError

from millrace.contracts.data import StagedPartition
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import MANIFEST_FILE, ModelManifest
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import (
    REPLAY_FILE,
    TRAINED_FOLDER,
    EvaluateResult,
    ExportResult,
    IngestResult,
    Report,
    TrainResult,
    ValidateResult,
)
from millrace.contracts.run_spec import EvaluateTask, ExportTask, IngestTask, RunSpec, TrainTask, ValidateTask
from millrace.storage import arrivals, files, table_log

_OUT = "out"
_MANIFEST_BYTES = 16 << 20
# by outcome, the codes that a step may give; every other code is set by the Airflow side
_CODES = {
    "ok": {ReasonCode.DONE},
    "skipped": {ReasonCode.NO_NEW_DATA},
    "interrupted": {ReasonCode.INTERRUPTED},
    "failed": {
        ReasonCode.BAD_INPUT,
        ReasonCode.TRANSIENT,
        ReasonCode.REFUSED,
        ReasonCode.OUT_OF_MEMORY,
        ReasonCode.OUT_OF_DEVICE_MEMORY,
        ReasonCode.UNFORESEEN,
    },
}


def check(spec: RunSpec, report: Report) -> None:
    """Raise RefusedError if a report names another location, workload, version or digest than its step spec, or a
    reason code that a step may not give (see ``check_code``).

    Outputs must lie in a folder of this step's own attempts. A published version must be in the table's log with the
    published contents. An exported version must be stored under its digest and have the spec's labels and data.
    """
    check_code(spec, report)
    task = spec.task
    match report.result:
        case None:
            return
        case IngestResult() as ingested if isinstance(task, IngestTask):
            _ingested(spec, task, ingested)
        case ValidateResult() as validated if isinstance(task, ValidateTask):
            _validated(spec, task, validated)
        case TrainResult() as trained if isinstance(task, TrainTask):
            _refuse_elsewhere(spec, trained.trained_uri, _OUT, TRAINED_FOLDER)
        case ExportResult() as exported if isinstance(task, ExportTask):
            _exported(spec, task, exported)
        case EvaluateResult() as evaluated if isinstance(task, EvaluateTask):
            _same("the candidate", evaluated.candidate.model, task.candidate)
            if evaluated.live is not None:
                _same("the live version", evaluated.live.model, task.live)
            _refuse_elsewhere(spec, evaluated.replay_uri, _OUT, REPLAY_FILE)
        case other:
            raise _refused("the kind of the result", other.kind, task.kind)


def check_code(spec: RunSpec, report: Report) -> None:
    """Raise RefusedError for a reason code that does not belong to the report's outcome or that a step may not give.

    Only ingest and validate may report "skipped": for other steps the Airflow side decides that before they start.
    """
    allowed = _CODES[report.outcome]
    _refuse_unless(report.code is None or report.code in allowed, "the reason", report.code, sorted(allowed))
    reads = isinstance(spec.task, IngestTask | ValidateTask)
    _refuse_unless(reads or report.outcome != "skipped", "the outcome", report.outcome, "no step is left out by itself")


def _ingested(spec: RunSpec, task: IngestTask, result: IngestResult) -> None:
    days = {day.isoformat() for day in task.window.days}
    reported = [partition.partition.isoformat() for partition in result.staged] + list(result.absent)
    _refuse_unless(len(reported) == len(set(reported)) and set(reported) <= days, "the days", reported, sorted(days))
    for partition in result.staged:
        _refuse_elsewhere(spec, partition.file_uri, _OUT)
        if partition.bad_rows_uri is not None:
            _refuse_elsewhere(spec, partition.bad_rows_uri, _OUT)
        declared = spec.workload.dataset.source.uri(partition.partition)
        _refuse_unless(
            partition.source_uri in arrivals.candidates(declared), "a day's source", partition.source_uri, declared
        )


def _validated(spec: RunSpec, task: ValidateTask, result: ValidateResult) -> None:
    _same("the table", result.dataset_uri, task.dataset_uri)
    staged = {partition.partition: partition for partition in task.staged}
    published = {partition.partition: partition for partition in result.published}
    _refuse_unless(
        len(result.published) == len(published) and published.keys() == staged.keys(), "the days", published, staged
    )
    _refuse_unless({*result.profiles} <= {f"{day}" for day in staged}, "the profiles", {*result.profiles}, staged)
    for day, partition in published.items():
        if partition.file_uri != staged[day].file_uri:
            _refuse_elsewhere(spec, partition.file_uri, _OUT)
        # validate drops rows that an earlier day has: then the file, the rows and the duplicates differ from ingest's
        ours = {"file_uri": partition.file_uri, "rows": partition.rows, "duplicates": partition.duplicates}
        _same(f"what was staged of {day}", partition, staged[day].model_copy(update=ours))
        _refuse_unless(partition.rows <= staged[day].rows, f"the rows of {day}", partition.rows, staged[day].rows)
    _refuse_unlogged(task.dataset_uri, result.version, result.published)


def _refuse_unlogged(uri: str, version: int, published: Iterable[StagedPartition]) -> None:
    contents = table_log.contents(uri, version)
    _refuse_unless(contents is not None, "the version", version, "one that the table's log has")
    for partition in published:
        held = (contents or {}).get(partition.partition)
        _refuse_unless(
            held == partition.content_sha256, f"{partition.partition} in version {version}", held, "what was staged"
        )


def _exported(spec: RunSpec, task: ExportTask, result: ExportResult) -> None:
    model = result.model
    version = f"v-{model.manifest_sha256[:12]}"
    ours = {"workload": spec.workload.name, "version": version, "uri": files.join(task.models_uri, version)}
    _same("the version", model, model.model_copy(update=ours))
    where = files.join(model.uri, MANIFEST_FILE)
    try:
        data = files.read_bytes(where, limit=_MANIFEST_BYTES)
    except FileNotFoundError as error:
        raise _refused("the manifest", "missing", where) from error
    _refuse_unless(hashlib.sha256(data).hexdigest() == model.manifest_sha256, "the manifest's digest", where, version)
    try:
        manifest = ModelManifest.model_validate_json(data)
    except ValidationError as error:
        raise _refused("the manifest", f"{error.error_count()} errors", "a model's manifest") from error
    _same("the manifest's workload", manifest.workload, spec.workload.name)
    _same("the manifest's trainer", manifest.trainer, spec.workload.training.trainer)
    _same("the manifest's labels", manifest.labels, spec.workload.dataset.target.labels)
    _same("the manifest's data", manifest.dataset, task.dataset)


def _refuse_elsewhere(spec: RunSpec, uri: str, *names: str) -> None:
    """Refuse an output outside the subfolder ``names`` of an attempt's folder of this step of this run.

    The attempt may be an earlier one: its report is used if it had finished.
    """
    step_uri = spec.attempt_uri.rpartition("/")[0]
    attempt, *found = uri.removeprefix(f"{step_uri}/").split("/")
    inside = uri.startswith(f"{step_uri}/") and attempt.startswith("try-") and ".." not in found and "%" not in uri
    _refuse_unless(inside and tuple(found[: len(names)]) == names, "an output", uri, f"{step_uri}/try-…")


def _same(what: str, reported: object, expected: object) -> None:
    _refuse_unless(reported == expected, what, reported, expected)


def _refuse_unless(holds: bool, what: str, reported: object, expected: object) -> None:
    if not holds:
        raise _refused(what, reported, expected)


def _refused(what: str, reported: object, expected: object) -> RefusedError:
    return RefusedError(
        f"the step's report contradicts its spec: {what}",
        code=ReasonCode.REPORT_REFUSED,
        where=f"reported: {reported}",
        rule=f"a report says what was measured; the step spec says where things are and whose they are: {expected}",
        remedy="look who may write to the store, and whether the step's image is yours; nothing of the report counts",
    )
