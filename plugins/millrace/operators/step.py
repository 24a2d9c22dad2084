"""Runs one step of a workload in its image."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from pydantic import ValidationError

from millrace.contracts.errors import BadInputError, RefusedError, StepError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import Report, ValidateResult
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, SPEC_FILE, RunSpec, Task, TryKey
from millrace.launchers.process import Ended
from millrace.ledger.ledger import Ledger
from millrace.opening import open_run, try_key
from millrace.operators.workload import WorkloadOperator
from millrace.run import Run
from millrace.sizing.catalogue import hardware
from millrace.storage import files

_FOR_GOOD = (BadInputError.exit_code, RefusedError.exit_code)

Order = Callable[[Run, Ledger], Task]


class StepOperator(WorkloadOperator):
    """Gives ``image`` its order and waits for the report.

    The task is green when the ledger has committed an "ok" report, and skipped when the step found nothing to do.
    Bad input and refusals are never retried; a killed or interrupted step is, and goes on from its checkpoint.
    """

    def __init__(self, *, image: str, order: Order, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(**kwargs)
        self.image = image
        self.order = order

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step to its end; the XCom is its reason."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        key = try_key(run, self.task_id, context)
        uid = f"airflow:{context['ti'].id}"
        with self.reporting(key, uid, run.parameters.hardware):
            self.before(run, context)
            spec = self._spec(run, key)
        finished = self._settle_earlier(run, spec)
        if finished is not None:
            self.log.info("an earlier try had finished: its report is taken")
            return self._judge(key, finished, Ended(0, "adopted"))
        try:
            ended = self.settings.process_launcher().run(self.image, spec, self.log.info)
        except StepError:
            with self.reporting(key, uid, run.parameters.hardware):
                raise
        report = _read(files.join(spec.attempt_uri, REPORT_FILE), Report)
        if report is None:
            raise self._lost(spec, ended)
        return self._judge(key, report, ended)

    def _lost(self, spec: RunSpec, ended: Ended) -> Exception:
        """Count what a process used that left no report; what it said by its exit code holds all the same."""
        reading = _read(files.join(spec.attempt_uri, METER_FILE), MeterReading)
        reason = f"the process ended with {_said(ended.exit_code)} and left no report"
        self.ledger.commit_lost_try(spec.key, reading, ended.process_uid, reason)
        text = f"{reason}; the lines above, or {spec.attempt_uri}/log.txt, say why"
        return AirflowFailException(text) if ended.exit_code in _FOR_GOOD else AirflowException(text)

    def before(self, run: Run, context: Context) -> None:
        """A place to skip the step, before anything is asked for."""

    def _spec(self, run: Run, key: TryKey) -> RunSpec:
        return RunSpec(
            key=key,
            workload=run.workload,
            parameters=run.parameters,
            hardware=hardware(run.parameters.hardware),
            attempt_uri=run.attempt_uri(key),
            state_uri=run.state_uri(key),
            task=self.order(run, self.ledger),
        )

    def _settle_earlier(self, run: Run, spec: RunSpec) -> Report | None:
        """Count what tries without a report used; return the report of one that did finish this very order."""
        finished = None
        for number in range(1, spec.key.try_number):
            key = spec.key.model_copy(update={"try_number": number})
            uri = run.attempt_uri(key)
            order = _read(files.join(uri, SPEC_FILE), RunSpec)
            if order is None or order.key.repeat != spec.key.repeat:
                continue
            report = _read(files.join(uri, REPORT_FILE), Report)
            if report is None:
                reading = _read(files.join(uri, METER_FILE), MeterReading)
                self.ledger.commit_lost_try(key, reading, "lost", "the try ended without a report")
            elif report.outcome == "ok" and order.task == spec.task:
                finished = report
        return finished

    def _judge(self, key: TryKey, report: Report, ended: Ended) -> str:
        self.ledger.commit_report(key, report, ended.process_uid)
        if report.outcome == "skipped":
            raise AirflowSkipException(report.reason)
        if isinstance(report.result, ValidateResult):
            self.log.info("Data Docs: %s", report.result.docs_uri)
        if report.error is not None:
            error = report.error
            text = f"{error.what}\n  where:  {error.where}\n  rule:   {error.rule}\n  remedy: {error.remedy}"
            if error.exit_code in _FOR_GOOD:
                raise AirflowFailException(text)
            raise AirflowException(text)
        return report.reason


def _read(uri: str, kind: Any) -> Any:  # noqa: ANN401 - the contract that was asked for, or None
    try:
        return kind.model_validate_json(files.read_bytes(uri))
    except (FileNotFoundError, ValidationError):
        return None


def _said(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
