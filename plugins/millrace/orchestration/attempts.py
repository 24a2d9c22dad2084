"""Attempts of a step, independent of the launcher: step specs, earlier reports, and how a report ends the task."""

from collections.abc import Callable, Iterator
from typing import NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from millrace.contracts.errors import FINAL_EXIT_CODES, RefusedError, StepError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import ErrorDetail, Report, Result, ValidateResult
from millrace.contracts.run_spec import REPORT_FILE, SPEC_FILE, RunSpec, Task, TrainTask, TryKey
from millrace.ledger.ledger import Ledger
from millrace.runs import data_docs, report_claims
from millrace.runs.attempt_folders import read
from millrace.runs.run import Run
from millrace.settings import Settings
from millrace.sizing import requests
from millrace.storage import files

MakeTask = Callable[[Run, Ledger], Task]
Progress = Callable[..., None]

ADOPTED = "adopted"
"""The process UID of a report that an earlier attempt with the same task wrote."""


class FewerRowsError(AirflowException):
    """The device had too little memory for the rows fed at once; the next step spec asks for half as many."""


class Skipped(AirflowSkipException):
    """The task has nothing to do: ``code`` decides the run's outcome, the text explains it to people.

    ``result`` is what the task found nevertheless; it is in the report.
    """

    def __init__(self, reason: str, code: ReasonCode, result: Result | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.result = result


def make_spec(run: Run, key: TryKey, make_task: MakeTask, settings: Settings, ledger: Ledger) -> RunSpec:
    """Return the step spec of an attempt; ``make_task`` makes its task."""
    return RunSpec(
        key=key,
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=run.attempt_uri(key),
        state_uri=run.state_uri(key),
        task=make_task(run, ledger),
    )


def finished_earlier(run: Run, spec: RunSpec) -> Report | None:
    """Return the "ok" report of an earlier attempt of the same repeat with an equal task; None without one."""
    finished = None
    for uri, earlier in _earlier(run, spec):
        report = read(files.join(uri, REPORT_FILE), Report)
        if report is not None and report.outcome == "ok" and earlier.task == spec.task:
            finished = report
    return finished


def _earlier(run: Run, spec: RunSpec) -> Iterator[tuple[str, RunSpec]]:
    for name in run.attempts(spec.key):
        uri = files.join(run.step_uri(spec.key), name)
        earlier = read(files.join(uri, SPEC_FILE), RunSpec)
        if earlier is not None and earlier.key.repeat == spec.key.repeat and uri != spec.attempt_uri:
            yield uri, earlier


def conclude(spec: RunSpec, report: Report, uid: str, ledger: Ledger, progress: Progress) -> str:
    """Commit the report; return its reason if the step succeeded, otherwise raise Airflow's exception for it.

    Of a report that contradicts its step spec (see runs.report_claims) only the measurements count. Raises
    AirflowSkipException for "skipped", AirflowFailException for bad input and refusals, AirflowException for errors to
    be retried, among them FewerRowsError after the number of rows to try is recorded in the ledger.
    """
    report = believed(spec, report)
    ledger.commit_report(spec.key, report, uid)
    if report.outcome == "skipped":
        raise AirflowSkipException(report.reason)
    if isinstance(report.result, ValidateResult) and uid != ADOPTED:
        progress("Data Docs: %s", data_docs.of_attempt(spec.attempt_uri))
    if report.error is not None:
        error = report.error
        reported = StepError(error.what, where=error.where, rule=error.rule, remedy=error.remedy)
        if report.code is ReasonCode.OUT_OF_DEVICE_MEMORY and isinstance(spec.task, TrainTask):
            _feed_fewer(spec, spec.task, reported, ledger)
        raise failure(str(reported), error.exit_code)
    return report.reason


def believed(spec: RunSpec, report: Report) -> Report:
    """Return the report, or, if it contradicts its step spec, a failed report with its measurements only."""
    try:
        report_claims.check(spec, report)
    except RefusedError as error:
        return failed(error, report.meter)
    return report


def failed(error: StepError, meter: MeterReading) -> Report:
    """Return the report of an attempt that ended with this error."""
    return Report(outcome="failed", reason=error.what, code=error.code, error=ErrorDetail.of(error), meter=meter)


def _feed_fewer(spec: RunSpec, task: TrainTask, reported: StepError, ledger: Ledger) -> NoReturn:
    fewer = requests.fewer_rows(task.fed_at_once(spec.parameters.batch_size))
    if fewer is None:
        refused = RefusedError(
            reported.what,
            where=f"{spec.workload.name} on {spec.hardware.name}",
            rule="one row, with its gradients, fits into the memory of one device",
            remedy="a smaller max_length or model, or hardware with more memory",
        )
        raise failure(str(refused), refused.exit_code)
    ledger.learn_rows(spec.workload.name, spec.hardware.name, fewer)
    raise FewerRowsError(f"{reported.what}: the next try feeds {fewer} rows at once")


def failure(text: str, exit_code: int) -> Exception:
    """Return the exception by which Airflow retries the task or, for final exit codes, does not."""
    return AirflowFailException(text) if exit_code in FINAL_EXIT_CODES else AirflowException(text)
