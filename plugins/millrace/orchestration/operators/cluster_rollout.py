"""Rolls out a candidate on Kubernetes in canary steps; asks a person when a step cannot be judged."""

import time
from dataclasses import asdict
from typing import Any

from airflow.sdk import Context

from millrace.contracts.model import ModelVersion
from millrace.contracts.report import EvaluateResult
from millrace.ledger.records import RunKey
from millrace.orchestration import approval
from millrace.orchestration.approval import by_whom
from millrace.orchestration.operators.rollout import LOOK_SECONDS, SLACK_SECONDS, RolloutOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.cluster_server import cluster_of_run, open_cluster, rollout_of, write_serving_spec
from millrace.policies.ruling import APPROVE, ApprovalRequest
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.serving.cluster_rollout import ClusterRollout, PausedRollout
from millrace.serving.manifests import service_name
from millrace.serving.shares import contenders


class ClusterRolloutOperator(RolloutOperator):
    """RolloutOperator with Deployments as servers: after any failure only the old version's pods answer.

    When a step cannot be judged, the task awaits a person's input in Airflow (no process, no trigger) for 24 hours; the
    candidate keeps its share meanwhile. "Approve" continues with the next step; "Reject" or no answer reverts the
    rollout. A task that is killed starts again at the first step, and asks again.
    """

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Send smoke requests, then raise the share by the policy. Skips if a model trained on newer data is live."""
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        with self.rejecting(run, candidate):  # an earlier attempt may have left servers of it
            self.admit_candidate(run, candidate)
            self._await_turn(run, candidate)
            self.admit_candidate(run, candidate)
            write_serving_spec(run, candidate, self.settings)
            rollout = self.cluster_rollout(run, candidate)
            held = rollout.advance()
        return self._rolled(rollout, candidate, held, context)

    def execute_complete(self, context: Context, event: dict[str, Any], **held: Any) -> Any:  # noqa: ANN401
        """Continue after a person's answer or its timeout."""
        return self.measured(context, lambda run, context: self._answered(run, context, event, PausedRollout(**held)))

    def cluster_rollout(self, run: Run, candidate: ModelVersion) -> ClusterRollout:
        """Return the rollout that replaces the live version with this run's candidate."""
        return rollout_of(
            run,
            candidate,
            self.settings,
            self.ledger,
            lambda line: self.log.info("%s", line),
            lambda: self.admit_candidate(run, candidate),
        )

    def _answered(self, run: Run, context: Context, event: dict[str, Any], held: PausedRollout) -> Any:  # noqa: ANN401
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        rollout = self.cluster_rollout(run, candidate)
        key = RunKey(run.dag_id, run.run_id, run.repeat)
        given = approval.decision(key, f"canary {candidate.version}", event, held.reason)
        if approval.is_own(run.workload, context["dag_run"], given, self.ledger):
            return self._rolled(rollout, candidate, held, context)
        self.ledger.record_decision(given)
        with self.rejecting(run, candidate):
            if event.get("chosen_options") != [APPROVE]:
                reason = f"not judged and not approved, {by_whom(event)}: {held.reason}"
                # recorded first: if reverting fails, the retry must not ask again
                self.ledger.reject(candidate.workload, candidate.version, reason, by=actor(run))
                raise rollout.reject(held, reason)
            self.log.info("approved %s: %s", by_whom(event), held.reason)
            again = rollout.go_on(held)
        return self._rolled(rollout, candidate, again, context)

    def _rolled(
        self, rollout: ClusterRollout, candidate: ModelVersion, held: PausedRollout | None, context: Context
    ) -> Any:  # noqa: ANN401
        if held is None:
            return {"address": rollout.address, "version": candidate.version}
        request = ApprovalRequest(
            subject=f"Shall {candidate.workload} {candidate.version} get its next share of the requests?",
            about=held.reason,
            # Airflow keeps the text of a task's first request for its later ones
            body=f"A step could not be judged, first {held.reason}\n\nLater ones are in the log of this task. Approve "
            f"goes on with the next step, Reject lets version {held.stable} answer alone.",
        )
        self.log.info("waits for a person: %s", held.reason)
        approval.ask(request, context, "execute_complete", **asdict(held))

    def put_back(self, run: Run, candidate: ModelVersion, reason: str) -> None:
        """Make the ledger's live version answer alone; a candidate that is not live loses its servers."""
        self.cluster_rollout(run, candidate).abandon(reason)

    def _await_turn(self, run: Run, candidate: ModelVersion) -> None:
        """Wait for the end of another run's rollout, or until it is overdue: one rollout at a time."""
        cluster, workload = open_cluster(cluster_of_run(run, self.settings)), run.workload.name
        deadline = time.monotonic() + 2 * run.workload.serving.watch_seconds + SLACK_SECONDS
        while time.monotonic() < deadline:
            live = self.ledger.live_model(workload)
            versions = (candidate.version, live.model.version if live else candidate.version)
            others = contenders(cluster, workload, [service_name(workload, version) for version in versions])
            if not others:
                return
            self.log.info("another run's rollout is under way: %s", ", ".join(others))
            time.sleep(LOOK_SECONDS)
