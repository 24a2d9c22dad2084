"""Ends a run in the ledger, with its reason."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from millrace.contracts.errors import StepError
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import Reason, ReasonCode
from millrace.contracts.report import EvaluateResult
from millrace.orchestration.approval import GATE
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.servers import answering, live_version
from millrace.orchestration.servers.model_server import put_back
from millrace.runs import attempt_folders, stopping
from millrace.runs.outcome import Ending, by_task, ending
from millrace.runs.run import Run
from millrace.runs.stop_request import STOPPED


class CloseOperator(WorkloadOperator):
    """Always runs last. Red when a step failed, so that the DAG run is red too; the reason is in the ledger."""

    begins_repeats = False

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Fail after the report is committed, where the run failed."""
        end: Ending = super().execute(context)
        if end.state in ("failed", "rolled_back"):
            raise AirflowFailException(f"{end.state}: {end.reason}")
        return f"{end.state}: {end.reason}"

    def work(self, run: Run, context: Context) -> Ending:
        """Derive the ending from the tasks' states and what the ledger knows, and store it.

        What still works for a task that has ended is ended, and what tries used whose end no task saw is counted,
        before that.
        """
        found = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
        states = by_task(found)
        self.end_leftovers(run, states)
        attempt_folders.count_lost(run.folder_uri, run.repeat, self.ledger)
        self.settle(run, states)
        reasons = self.ledger.try_reasons(run.dag_id, run.run_id, run.repeat)
        verdict = self.ledger.verdict(run.dag_id, run.run_id, run.repeat)
        if verdict is not None and verdict.outcome != "pass":
            code = ReasonCode.GATE_REJECTED if verdict.outcome == "fail" else None
            reasons["gate"] = Reason("; ".join(verdict.reasons), code)
        if states.get("approve") == "success" and (answer := self.ledger.newest_answer(run.dag_id, run.run_id, GATE)):
            by_person = ReasonCode.APPROVAL_REJECTED if answer["by_person"] else ReasonCode.APPROVAL_EXPIRED
            reasons["approve"] = Reason(f"the answer was {answer['action']}", by_person)
        end = ending(states, reasons)
        decision = verdict.outcome if verdict else None
        self.ledger.close_run(
            run.dag_id,
            run.run_id,
            run.repeat,
            state=end.state,
            reason=end.reason,
            decision=decision,
            code=end.code,
        )
        self.log.info("%s: %s", end.state, end.reason)
        self.compare(run)  # by now none of this run's candidates may answer that is not live
        return end

    def end_leftovers(self, run: Run, states: Mapping[str, str | None]) -> None:
        """End what works for tasks that have ended: whoever should have ended it was killed, or is at it."""
        left = [
            spec
            for spec in attempt_folders.orders_of(run.folder_uri, run.repeat)
            if not stopping.is_wanted(states.get(spec.key.task_id))
        ]
        try:
            stopping.stop(left, STOPPED, self.settings, self.ledger)
        except Exception as error:
            # a run has an ending in the ledger, whatever the cluster says
            self.log.error("something may still work for this run: %s", error)

    def settle(self, run: Run, states: Mapping[str, str | None]) -> None:
        """End what the run's tasks may have left half-way: what answers is what the ledger calls live."""
        candidate = self.rolled_out(run, states)
        if candidate is None or states.get("watch") == "success":
            return
        try:
            put_back(self.settings, run.workload.name, candidate)
        except (StepError, OSError) as error:
            # a run has an ending in the ledger, whatever the store says
            self.log.error("the candidate may still have a share of the requests: %s", error)

    def compare(self, run: Run) -> None:
        """Where something else answers than what the ledger calls live, say so, and order that again."""
        try:
            found = answering.divergence(self.settings, run.workload.name)
            if found is None:
                return
            self.log.error("%s", found)
            if not answering.is_rolling_out(self.settings, run.workload.name):  # another run's, which ends by itself
                live_version.follow(self.settings, run.workload.name)
        except (StepError, OSError) as error:
            self.log.error("what answers may not be what is live: %s", error)

    def rolled_out(self, run: Run, states: Mapping[str, str | None]) -> ModelVersion | None:
        """The candidate that this run's tasks gave requests, or may have."""
        begun = {states.get("roll_out"), states.get("watch")} & {"success", "failed"}
        evaluated = self.ledger.committed_report(run.dag_id, run.run_id, "evaluate")
        if not begun or evaluated is None or not isinstance(evaluated.result, EvaluateResult):
            return None
        return evaluated.result.candidate.model
