"""The base class of the operators of a workload's DAG."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowSkipException, AirflowTaskTimeout

from millrace.contracts.errors import RefusedError, StepError, TransientError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import Reason, ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.workload import Workload
from millrace.energy.meter import Meter
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision, RunKey
from millrace.orchestration.admission import admission, answer, answered
from millrace.orchestration.approval import ask, is_own
from millrace.orchestration.attempts import Skipped, failed, failure
from millrace.orchestration.connections import reach_stores
from millrace.orchestration.links import RunLink
from millrace.orchestration.run_entry import open_run, try_key
from millrace.policies.always_allowed import always_allowed
from millrace.policies.ruling import ApprovalRequest, Defer, Policy, Skip
from millrace.runs.run import Run
from millrace.runs.stop_request import STOPPED, TaskStopped
from millrace.settings import Settings, load_settings


class WorkloadOperator(BaseOperator):
    """Base operator: runs one task of a workload's run under a meter and commits its report to the ledger.

    A subclass implements ``work``. BadInputError and RefusedError fail the task without retries; Airflow retries after
    any other error.
    """

    # a task that runs after its run has ended begins the run's next repeat; a retry of `finish` must not
    begins_repeats = True
    _stoppable = False
    _deferred_since: datetime | None = None
    operator_extra_links = (RunLink(),)

    def __init__(self, *, workload: Workload, admit: Policy = always_allowed, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.workload = workload
        self.admit = admit

    @cached_property
    def settings(self) -> Settings:
        """The settings, read when the task runs, not when its DAG is parsed. Grants this process access to stores."""
        settings = load_settings()
        reach_stores(settings)
        return settings

    @cached_property
    def ledger(self) -> Ledger:
        """The site's ledger."""
        return self.settings.ledger()

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Admit the run, measure ``work`` and commit its report."""

        def admitted(run: Run, context: Context) -> Any:  # noqa: ANN401
            self.enter(run, context)
            return self.work(run, context)

        return self.measured(context, admitted)

    def enter(self, run: Run, context: Context) -> None:
        """Carry out the ruling of ``admit``: return, skip or defer this task, or ask a person."""
        match self.admit(admission(run, self.ledger, self.settings, context, self._deferred_since)):
            case Skip(reason, code):
                raise Skipped(reason, code)
            case Defer(until, about, since):
                self.log.info("%s: looks again at %s UTC", about, until.strftime("%H:%M:%S"))
                # the trigger's process does not keep this operator; Airflow keeps the arguments
                kwargs = {"since": since.isoformat()} if since else None
                self.defer(trigger=DateTimeTrigger(moment=until), method_name="execute_held", kwargs=kwargs)
            case ApprovalRequest(about=about, code=asked) as request:
                self.log.info("waits for a person: %s", about)
                ask(request, context, "execute_answered", about=about, code=asked.value if asked else None)

    def execute_held(self, context: Context, event: Any, since: str | None = None) -> Any:  # noqa: ANN401
        """Call ``execute`` again after a deferral: it repeats the admission, which knows when the wait began."""
        self._deferred_since = datetime.fromisoformat(since) if since else None
        return self.execute(context)

    def execute_answered(
        self,
        context: Context,
        event: dict[str, Any],
        about: str,
        code: str | None = None,
    ) -> Any:  # noqa: ANN401 - Airflow's own
        """Continue after a person's answer to the approval request of admission.

        Skips the task after a rejection. Repeats the admission, which asks again, after an approval by the person who
        triggered the run where the workload wants two people, and for requests of old versions, which have no code.
        """
        if code is None:
            return self.execute(context)
        why = Reason(about, ReasonCode(code))
        run = open_run(self.workload, context, self.settings, self.ledger)
        key = try_key(run, self.task_id, context)
        with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
            if not is_own(self.workload, context["dag_run"], answer(run, event, why), self.ledger):
                answered(run, self.ledger, event, why)
        return self.execute(context)

    def measured(self, context: Context, work: Callable[[Run, Context], Any]) -> Any:  # noqa: ANN401 - Airflow's own
        """Return the result of ``work`` for this task's run; its report, with the meter's reading, is committed."""
        run = open_run(self.workload, context, self.settings, self.ledger, self.begins_repeats)
        key, uid = try_key(run, self.task_id, context), f"airflow:{context['ti'].id}"
        with self.reporting(key, uid, run.parameters.hardware) as meter:
            answer = work(run, context)
        self.ledger.commit_report(key, _done(meter.reading()), uid)
        return answer

    @contextmanager
    def reporting(self, key: TryKey, uid: str, on: str) -> Iterator[Meter]:
        """Commit a failed or skipped report, with the meter's reading, when the block raises; then raise again.

        ``on`` names the hardware. A StepError becomes the Airflow exception of its exit code. Other AirflowExceptions
        pass without a report: their raisers have committed one.
        """
        with Meter(self.settings.hardware(on)) as meter:
            try:
                with self.stoppable():
                    yield meter
            except AirflowSkipException as skip:
                code, found = (skip.code, skip.result) if isinstance(skip, Skipped) else (None, None)
                report = Report(outcome="skipped", reason=str(skip), code=code, meter=meter.reading(), result=found)
                self.ledger.commit_report(key, report, uid)
                raise
            except StepError as error:
                self.log.error("%s", error)
                if isinstance(error, RefusedError):
                    by = Actor.of(RunKey(key.dag_id, key.run_id, key.repeat))
                    self.ledger.record_refusal(Decision("step", key.task_id, by, "the task ran"), error)
                self.ledger.commit_report(key, failed(error, meter.reading()), uid)
                raise failure(str(error), error.exit_code) from error
            except AirflowTaskTimeout:
                self.ledger.commit_report(key, failed(self.overdue(), meter.reading()), uid)
                raise
            except TaskStopped:
                self.ledger.commit_report(key, failed(self.ended_early(), meter.reading()), uid)
                raise
            except AirflowException:  # the code that raised it has committed a report
                raise
            except Exception as error:
                self.ledger.commit_report(key, failed(_unforeseen(self.task_id, error), meter.reading()), uid)
                raise

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Within this block ``on_kill`` raises TaskStopped, so that work ends at once when Airflow ends the task."""
        self._stoppable = True
        try:
            yield
        finally:
            self._stoppable = False

    def on_kill(self) -> None:
        """Raise TaskStopped within ``stoppable``.

        Airflow calls it when the task is marked, cleared or deleted or its worker ends, and kills this process after
        five seconds.
        """
        if self._stoppable:
            self._stoppable = False
            raise TaskStopped(STOPPED)

    def ended_early(self) -> StepError:
        """Return the error of a task that Airflow stopped for any reason other than its timeout."""
        return TransientError(
            STOPPED,
            where=self.task_id,
            rule="a task that is marked, cleared or deleted, or whose worker ends, stops at once",
            remedy="clear the task to have it done",
            code=ReasonCode.STOPPED,
        )

    def overdue(self) -> StepError:
        """Return the error of a task that Airflow stopped at its execution timeout."""
        return TransientError(
            f"the task was stopped: it took longer than {self.execution_timeout}",
            where=self.task_id,
            rule="the workload's step_timeout, or the DAG's limit for a short task",
            remedy="see in its log what it waited for; a longer step_timeout gives it more time",
            code=ReasonCode.TIMED_OUT,
        )

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Do the task's work; the return value becomes its XCom."""
        raise NotImplementedError


def _unforeseen(task_id: str, error: Exception) -> StepError:
    """Return the StepError for an exception without a class of its own.

    It names only the exception's type: the message may contain anything, and stays in the task's log.
    """
    return TransientError(
        f"an error that was not foreseen: {type(error).__name__}",
        where=task_id,
        rule="an error that Millrace knows has a text of its own",
        remedy="read the task's log; it is tried again",
        code=ReasonCode.UNFORESEEN,
    )


def _done(reading: MeterReading) -> Report:
    return Report(outcome="ok", reason="done", code=ReasonCode.DONE, meter=reading)
