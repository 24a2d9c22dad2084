"""Tries of a step, whatever runs it: the order, what earlier tries left, and what a report means to Airflow."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from pydantic import ValidationError

from millrace.contracts.errors import FINAL_EXIT_CODES, DeviceMemoryError, RefusedError, StepError
from millrace.contracts.measurement import MeterReading, together
from millrace.contracts.report import Report, Result, ValidateResult
from millrace.contracts.run_spec import (
    METER_FILE,
    REPORT_FILE,
    SPEC_FILE,
    WORKERS_FOLDER,
    RunSpec,
    Task,
    TrainTask,
    TryKey,
)
from millrace.ledger.ledger import Ledger
from millrace.run import Run
from millrace.settings import Settings
from millrace.sizing import requests
from millrace.storage import files

Order = Callable[[Run, Ledger], Task]
Say = Callable[..., None]


class FewerRowsError(AirflowException):
    """The device had no room for the rows that it was fed at once; the next order asks for half as many."""


class SkippedWithResult(AirflowSkipException):
    """There is nothing to do, and ``result`` is what was found out all the same."""

    def __init__(self, reason: str, result: Result) -> None:
        super().__init__(reason)
        self.result = result


def make_spec(run: Run, key: TryKey, order: Order, settings: Settings, ledger: Ledger) -> RunSpec:
    """The step's order."""
    return RunSpec(
        key=key,
        workload=run.workload,
        parameters=run.parameters,
        hardware=settings.hardware(run.parameters.hardware),
        attempt_uri=run.attempt_uri(key),
        state_uri=run.state_uri(key),
        task=order(run, ledger),
    )


def finished_earlier(run: Run, spec: RunSpec) -> Report | None:
    """The report of an earlier try that did finish this very order."""
    finished = None
    for uri, order in _earlier(run, spec):
        report = read(files.join(uri, REPORT_FILE), Report)
        if report is not None and report.outcome == "ok" and order.task == spec.task:
            finished = report
    return finished


def count_lost(folder_uri: str, repeat: int, ledger: Ledger) -> None:
    """Count what tries of this run used whose end no task saw; once more changes nothing.

    A try without a reading used less than the meter's first five seconds, or nothing (a later try that took an
    elder's pod over), and leaves no row.
    """
    for step in files.names(folder_uri):
        for name in files.names(files.join(folder_uri, step)):
            uri = files.join(folder_uri, step, name)
            order = read(files.join(uri, SPEC_FILE), RunSpec) if name.startswith("try-") else None
            if order is None or order.key.repeat != repeat:
                continue
            reading = _used(order)
            if reading is not None:
                ledger.commit_lost_try(order.key, reading, f"lost:{name}", "no task saw how this try ended")


def _earlier(run: Run, spec: RunSpec) -> Iterator[tuple[str, RunSpec]]:
    for name in run.attempts(spec.key):
        uri = files.join(run.step_uri(spec.key), name)
        order = read(files.join(uri, SPEC_FILE), RunSpec)
        if order is not None and order.key.repeat == spec.key.repeat and uri != spec.attempt_uri:
            yield uri, order


def conclude(spec: RunSpec, report: Report, uid: str, ledger: Ledger, say: Say) -> str:
    """Commit the report, then tell Airflow what it means; returns its reason where the step went well.

    Raises AirflowSkipException, AirflowFailException for bad input and refusals, AirflowException for what is retried:
    FewerRowsError after the ledger has learned how many rows to try.
    """
    ledger.commit_report(spec.key, report, uid)
    if report.outcome == "skipped":
        raise AirflowSkipException(report.reason)
    if isinstance(report.result, ValidateResult):
        say("Data Docs: %s", report.result.docs_uri)
    if report.error is not None:
        error = report.error
        said = StepError(error.what, where=error.where, rule=error.rule, remedy=error.remedy)
        if error.type == DeviceMemoryError.__name__ and isinstance(spec.task, TrainTask):
            _feed_fewer(spec, spec.task, said, ledger)
        raise failure(str(said), error.exit_code)
    return report.reason


def _feed_fewer(spec: RunSpec, task: TrainTask, said: StepError, ledger: Ledger) -> NoReturn:
    fewer = requests.fewer_rows(task.fed_at_once(spec.parameters.batch_size))
    if fewer is None:
        refused = RefusedError(
            said.what,
            where=f"{spec.workload.name} on {spec.hardware.name}",
            rule="one row, with its gradients, fits into the memory of one device",
            remedy="a smaller max_length or model, or hardware with more memory",
        )
        raise failure(str(refused), refused.exit_code)
    ledger.learn_rows(spec.workload.name, spec.hardware.name, fewer)
    raise FewerRowsError(f"{said.what}: the next try feeds {fewer} rows at once")


def lost(spec: RunSpec, uid: str, reason: str, ledger: Ledger) -> None:
    """Count what a process, or a gang of them, used that left no report."""
    ledger.commit_lost_try(spec.key, _used(spec), uid, reason)


def with_workers(report: Report, spec: RunSpec) -> Report:
    """A leader's report whose meter counts its followers too, by their reports or else by what their meters kept."""
    if spec.workers == 1:
        return report
    meter = together([report.meter, *_readings(_followers(spec))])
    return report.model_copy(update={"meter": meter})


def worker_uri(spec: RunSpec, index: int) -> str:
    """The attempt of one follower of a gang."""
    return files.join(spec.attempt_uri, WORKERS_FOLDER, str(index))


def _used(spec: RunSpec) -> MeterReading | None:
    readings = list(_readings([spec.attempt_uri, *_followers(spec)]))
    return together(readings) if readings else None


def _followers(spec: RunSpec) -> list[str]:
    return [worker_uri(spec, index) for index in range(1, spec.workers)]


def _readings(uris: Iterable[str]) -> Iterator[MeterReading]:
    for uri in uris:
        report = read(files.join(uri, REPORT_FILE), Report)
        reading = report.meter if report is not None else read(files.join(uri, METER_FILE), MeterReading)
        if reading is not None:
            yield reading


def failure(text: str, exit_code: int) -> Exception:
    """The exception that tells Airflow whether to try again."""
    return AirflowFailException(text) if exit_code in FINAL_EXIT_CODES else AirflowException(text)


def read(uri: str, kind: Any) -> Any:  # noqa: ANN401 - the contract that was asked for, or None
    """A contract's file; None where there is none, or a torn one."""
    try:
        return kind.model_validate_json(files.read_bytes(uri))
    except (FileNotFoundError, ValidationError):
        return None
