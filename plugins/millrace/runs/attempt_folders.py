"""Read attempts' folders (step specs, reports, meter readings) and count their use in the ledger, without Airflow."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import MeterReading, together
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, SPEC_FILE, WORKERS_FOLDER, RunSpec, TryKey
from millrace.ledger.ledger import Ledger
from millrace.runs.run import run_folder_uri, step_folder
from millrace.storage import files


def count_lost(folder_uri: str, repeat: int, ledger: Ledger) -> None:
    """Count the use of this repeat's attempts whose end no task saw; idempotent.

    An attempt without a meter reading gets no row: it ended within the meter's first five seconds, or used nothing (a
    later attempt that took over an earlier one's pod).
    """
    for spec in specs_of(folder_uri, repeat):
        reading = _used(spec.attempt_uri, spec.workers)
        if reading is not None:
            name = f"lost:{spec.attempt_uri.rpartition('/')[2]}"
            ledger.commit_lost_try(spec.key, reading, name, "no task saw how this try ended")


def specs_of(folder_uri: str, repeat: int) -> Iterator[RunSpec]:
    """Yield the step spec of each attempt, and each restart, of a run's repeat."""
    for step in files.names(folder_uri):
        for name in files.names(files.join(folder_uri, step)):
            spec = _spec_of(folder_uri, step, name) if name.startswith("try-") else None
            if spec is not None and spec.key.repeat == repeat:
                yield spec


def _spec_of(folder_uri: str, step: str, attempt: str) -> RunSpec | None:
    """Return the step spec in an attempt's folder if its key names that folder; None for any other spec.

    So a process that can write to one attempt's folder cannot affect other attempts.
    """
    uri = files.join(folder_uri, step, attempt)
    spec: RunSpec | None = read(files.join(uri, SPEC_FILE), RunSpec)
    if spec is None:
        return None
    key = spec.key
    own = run_folder_uri("", key.dag_id, key.run_id), step_folder(key), f"try-{key.try_number}"
    if not folder_uri.endswith(own[0]) or step != own[1] or attempt.partition("-restart-")[0] != own[2]:
        return None
    return spec.model_copy(update={"attempt_uri": uri})


def ordered(uri: str, sha256: str | None) -> RunSpec:
    """Return the step spec in a file. Raises RefusedError if the file is missing or has another SHA-256 digest."""
    try:
        document = files.read_bytes(uri)
    except FileNotFoundError:
        document = b""
    if hashlib.sha256(document).hexdigest() != sha256:
        raise RefusedError(
            "the step spec was changed after it was written" if document else "the step spec was removed",
            where=uri,
            rule=f"the file has the digest with which the spec was written: {sha256}",
            remedy="check who may write to the store; clear the task, which then writes the spec again",
        )
    return RunSpec.model_validate_json(document)


def lost(spec: RunSpec, uid: str, reason: str, ledger: Ledger, code: ReasonCode = ReasonCode.LOST) -> None:
    """Count the use of a process or worker group that left no report."""
    lost_at(spec.attempt_uri, spec.workers, spec.key, uid, reason, ledger, code)


def lost_at(
    attempt_uri: str, workers: int, key: TryKey, uid: str, reason: str, ledger: Ledger, code: ReasonCode
) -> None:
    """Same as ``lost``, for an attempt of which only the folder, key and number of workers are known."""
    ledger.commit_lost_try(key, _used(attempt_uri, workers), uid, reason, code)


def stopped(spec: RunSpec, uid: str, reason: str, ledger: Ledger, code: ReasonCode = ReasonCode.STOPPED) -> None:
    """Count the use of an attempt whose task was ended from outside, with how it ended as reason; idempotent.

    A report that it left is not committed: a later attempt of the task may use it.
    """
    report = read(files.join(spec.attempt_uri, REPORT_FILE), Report)
    how = "it left no report" if report is None else f"it ended with {report.outcome!r}: {report.reason}"
    ledger.commit_lost_try(spec.key, _used(spec.attempt_uri, spec.workers), uid, f"{reason}; {how}", code)


def with_workers(report: Report, spec: RunSpec) -> Report:
    """Return a leader's report with a meter reading that covers its followers too.

    A follower's reading comes from its report, or from its meter's file if it left no report.
    """
    if spec.workers == 1:
        return report
    meter = together([report.meter, *_readings(_followers(spec.attempt_uri, spec.workers))])
    return report.model_copy(update={"meter": meter})


def worker_uri(attempt_uri: str, index: int) -> str:
    """Return the folder of one follower of a worker group."""
    return files.join(attempt_uri, WORKERS_FOLDER, str(index))


def _used(attempt_uri: str, workers: int) -> MeterReading | None:
    readings = list(_readings([attempt_uri, *_followers(attempt_uri, workers)]))
    return together(readings) if readings else None


def _followers(attempt_uri: str, workers: int) -> list[str]:
    return [worker_uri(attempt_uri, index) for index in range(1, workers)]


def _readings(uris: Iterable[str]) -> Iterator[MeterReading]:
    for uri in uris:
        report = read(files.join(uri, REPORT_FILE), Report)
        reading = report.meter if report is not None else read(files.join(uri, METER_FILE), MeterReading)
        if reading is not None:
            yield reading


def read(uri: str, kind: Any) -> Any:  # noqa: ANN401 - an instance of ``kind``, or None
    """Return a contract read from its JSON file; None if the file is missing or not valid."""
    try:
        return kind.model_validate_json(files.read_bytes(uri))
    except (FileNotFoundError, ValidationError):
        return None
