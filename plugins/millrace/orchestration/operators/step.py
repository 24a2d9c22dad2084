"""Runs one step of a workload as a process on this machine."""

from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowTaskTimeout

from millrace.contracts.errors import BadInputError, StepError
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import REPORT_FILE, SPEC_FILE, RunSpec
from millrace.orchestration import attempts
from millrace.orchestration.operators.image_step import ImageStepOperator
from millrace.runs import attempt_folders
from millrace.runs.run import Run
from millrace.runs.stop_request import STOPPED, TaskStopped, stop_try
from millrace.storage import files


class StepOperator(ImageStepOperator):
    """Runs a step of ``image`` as a process on this machine and waits for its report.

    The task succeeds when the ledger has an "ok" report, and is skipped when the step found nothing to do. Bad input
    and refusals are not retried; a killed or interrupted step is retried and resumes from its checkpoint.
    """

    _given: RunSpec | None = None

    def carry_out(self, run: Run, spec: RunSpec, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Run the step to its end; the XCom is the report's reason."""
        try:
            if spec.workers > 1:
                raise BadInputError(
                    f"{spec.workers} workers on one machine",
                    where="parameters.workers",
                    rule="several workers are pods, of MILLRACE_LAUNCHER=kubernetes",
                    remedy="ask for one worker, or run this workload on a cluster",
                )
            with self.stoppable():
                self._given = spec
                ended = self.settings.process_launcher().run(self.step_image, spec, self.log.info)
        except StepError:
            with self.reporting(spec.key, f"airflow:{context['ti'].id}", run.parameters.hardware):
                raise
        except AirflowTaskTimeout:
            attempt_folders.lost(
                spec, f"airflow:{context['ti'].id}", self.overdue().what, self.ledger, ReasonCode.TIMED_OUT
            )
            raise
        except TaskStopped:
            attempt_folders.stopped(spec, f"airflow:{context['ti'].id}", STOPPED, self.ledger)
            raise
        report = attempt_folders.read(files.join(spec.attempt_uri, REPORT_FILE), Report)
        if report is None:
            reason = f"the process ended with {_said(ended.exit_code)} and left no report"
            attempt_folders.lost(spec, ended.process_uid, reason, self.ledger)
            log = self.settings.process_launcher().folder(spec.attempt_uri)
            raise attempts.failure(f"{reason}; the lines above, or log.txt in {log}, say why", ended.exit_code)
        return attempts.conclude(spec, report, ended.process_uid, self.ledger, self.log.info)

    def on_kill(self) -> None:
        """Start a process that ends the step, after a checkpoint where it can; this process has only seconds left."""
        if self._stoppable and self._given is not None:
            stop_try(files.join(self._given.attempt_uri, SPEC_FILE), self._given.sha256, STOPPED, self.settings)
        super().on_kill()


def _said(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
