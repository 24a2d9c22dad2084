"""Rolls out a candidate in canary steps; asks a person when a step cannot be judged."""

from dataclasses import asdict
from typing import Any

from airflow.sdk import Context

from millrace.ledger.records import RunKey
from millrace.orchestration import approval
from millrace.orchestration.approval import by_whom
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.servers.candidate import Candidate
from millrace.orchestration.servers.servers import servers_of
from millrace.policies.ruling import APPROVE, ApprovalRequest
from millrace.runs.run import Run
from millrace.serving.rollout import PausedRollout, Rollout
from millrace.storage.polling import poll

LOOK_SECONDS = 1.0
SLACK_SECONDS = 120.0


class RolloutOperator(WorkloadOperator):
    """Rolls out a candidate until it answers all requests and the old version is ready to take over again.

    When a step cannot be judged, which happens in a cluster only, the task awaits a person's input in Airflow (no
    process, no trigger) for 24 hours; the candidate keeps its share meanwhile. "Approve" continues with the next step;
    "Reject" or no answer reverts the rollout. A task that is killed starts again at the first step, and asks again.
    """

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Load the candidate, send smoke requests, raise its share. Skips if a model trained on newer data is live."""
        candidate = self._candidate(run)
        with candidate.rejecting():  # an earlier attempt may have given it a share
            candidate.admit()
            self._await_turn(candidate)
            candidate.admit()
            candidate.servers.begin(run, candidate.model)
            rollout = candidate.rollout()
            held = rollout.advance()
        return self._rolled(rollout, candidate, held, context)

    def execute_complete(self, context: Context, event: dict[str, Any], **held: Any) -> Any:  # noqa: ANN401
        """Continue after a person's answer or its timeout."""
        return self.measured(context, lambda run, context: self._answered(run, context, event, PausedRollout(**held)))

    def _answered(self, run: Run, context: Context, event: dict[str, Any], held: PausedRollout) -> Any:  # noqa: ANN401
        candidate = self._candidate(run)
        rollout = candidate.rollout()
        key = RunKey(run.dag_id, run.run_id, run.repeat)
        given = approval.decision(key, f"canary {candidate.model.version}", event, held.reason)
        if approval.is_own(run.workload, context["dag_run"], given, self.ledger):
            return self._rolled(rollout, candidate, held, context)
        self.ledger.record_decision(given)
        with candidate.rejecting():
            if event.get("chosen_options") != [APPROVE]:
                reason = f"not judged and not approved, {by_whom(event)}: {held.reason}"
                # recorded first: if reverting fails, the retry must not ask again
                candidate.reject(reason)
                raise rollout.reject(held, reason)
            self.log.info("approved %s: %s", by_whom(event), held.reason)
            again = rollout.go_on(held)
        return self._rolled(rollout, candidate, again, context)

    def _rolled(self, rollout: Rollout, candidate: Candidate, held: PausedRollout | None, context: Context) -> Any:  # noqa: ANN401
        if held is None:
            return {"address": rollout.address, "version": candidate.model.version}
        request = ApprovalRequest(
            subject=f"Shall {candidate.model.workload} {candidate.model.version} get its next share of the requests?",
            about=held.reason,
            # Airflow keeps the text of a task's first request for its later ones
            body=f"A step could not be judged, first {held.reason}\n\nLater ones are in the log of this task. Approve "
            f"goes on with the next step, Reject lets version {held.stable} answer alone.",
        )
        self.log.info("waits for a person: %s", held.reason)
        approval.ask(request, context, "execute_complete", **asdict(held))

    def _candidate(self, run: Run) -> Candidate:
        return Candidate.of(run, self.ledger, servers_of(self.settings), self.log.info)

    def _await_turn(self, candidate: Candidate) -> None:
        """Wait for the end of another run's rollout, or until it is overdue: one rollout at a time."""

        def is_alone() -> bool:
            if other := candidate.servers.other_rollout(candidate.run, candidate.model):
                self.log.info("another run's rollout is under way: %s", other)
            return other is None

        overdue_seconds = 2 * candidate.run.workload.serving.watch_seconds + SLACK_SECONDS
        poll(is_alone, every_seconds=LOOK_SECONDS, at_most_seconds=overdue_seconds)
