"""Records a run's terminal state and reason in the ledger."""

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
from millrace.orchestration.servers import answering
from millrace.orchestration.servers.candidate import Candidate
from millrace.orchestration.servers.servers import servers_of
from millrace.runs import attempt_folders, stopping
from millrace.runs.outcome import RunOutcome, by_task, run_outcome
from millrace.runs.run import Run
from millrace.runs.stop_request import STOPPED


class FinishOperator(WorkloadOperator):
    """The last task of every run: it fails when a step failed, so that the DAG run fails too."""

    begins_repeats = False

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Close the run and commit this task's report; then raise AirflowFailException if the run failed."""
        end: RunOutcome = super().execute(context)
        if end.state in ("failed", "rolled_back"):
            raise AirflowFailException(f"{end.state}: {end.reason}")
        return f"{end.state}: {end.reason}"

    def work(self, run: Run, context: Context) -> RunOutcome:
        """Derive the run's outcome from its tasks' states and the ledger, and store it.

        Before that, end processes and pods that still work for ended tasks, and count the use of attempts that no task
        saw the end of. Afterwards, compare the versions that answer requests with the live one.
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
        end = run_outcome(states, reasons)
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
        self.compare(run)  # after the run's end: from now on no candidate of this run may answer unless it is live
        return end

    def end_leftovers(self, run: Run, states: Mapping[str, str | None]) -> None:
        """End processes and pods of tasks that have ended: the process that should end them may have been killed."""
        left = [
            spec
            for spec in attempt_folders.specs_of(run.folder_uri, run.repeat)
            if not stopping.is_wanted(states.get(spec.key.task_id))
        ]
        try:
            stopping.stop(left, STOPPED, self.settings, self.ledger)
        except Exception as error:
            # the run must be closed in the ledger even if the cluster fails
            self.log.error("something may still work for this run: %s", error)

    def settle(self, run: Run, states: Mapping[str, str | None]) -> None:
        """Undo a rollout that this run left unfinished: the ledger's live version answers alone again.

        The candidate is rejected when that takes servers away from it.
        """
        model = self.rolled_out(run, states)
        if model is None or states.get("watch") == "success":
            return
        reason = "the rollout was ended half-way"
        try:
            candidate = Candidate(run, model, self.ledger, servers_of(self.settings), self.log.info)
            if candidate.put_back(reason):
                candidate.reject(reason)
        except (StepError, OSError) as error:
            # the run must be closed in the ledger even if the store or the cluster fails
            self.log.error("the candidate may still have a share of the requests: %s", error)

    def compare(self, run: Run) -> None:
        """Log an error if other versions answer than the ledger's live one; make the servers serve that one.

        The servers are left alone while a rollout is under way.
        """
        try:
            found = answering.divergence(self.settings, run.workload.name)
            if found is None:
                return
            self.log.error("%s", found)
            servers = servers_of(self.settings)
            if not servers.is_rolling_out(run.workload.name):  # of another run, which ends it itself
                servers.serve_live(run.workload.name)
        except (StepError, OSError) as error:
            self.log.error("what answers may not be what is live: %s", error)

    def rolled_out(self, run: Run, states: Mapping[str, str | None]) -> ModelVersion | None:
        """Return the candidate that this run's rollout or watch may have given requests; None if there is none."""
        begun = {states.get("roll_out"), states.get("watch")} & {"success", "failed"}
        evaluated = self.ledger.committed_report(run.dag_id, run.run_id, "evaluate")
        if not begun or evaluated is None or not isinstance(evaluated.result, EvaluateResult):
            return None
        return evaluated.result.candidate.model
