"""Gives a candidate its share of a cluster's requests, step by step, and asks a person where it cannot judge."""

import time
from dataclasses import asdict
from typing import Any

from airflow.sdk import Context

from millrace.contracts.model import ModelVersion
from millrace.contracts.report import EvaluateResult
from millrace.ledger.records import RunKey
from millrace.orchestration import approval
from millrace.orchestration.approval import APPROVE, by_whom
from millrace.orchestration.operators.rollout import LOOK_SECONDS, SLACK_SECONDS, RolloutOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.cluster_server import cluster_of_run, open_cluster, rollout_of, write_orders
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.serving.cluster_rollout import ClusterRollout, Held
from millrace.serving.manifests import service_name
from millrace.serving.shares import contenders


class ClusterRolloutOperator(RolloutOperator):
    """RolloutOperator's promises, kept by Deployments: at any failure the old version's pods alone answer.

    A step that cannot be judged waits for a person in Airflow's own way (no process, no trigger), for 24 hours; the
    candidate keeps its share meanwhile. "Approve" goes on with the next step; "Reject", or nobody, goes back. A task
    that is killed begins with the first step again, and asks again.
    """

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Smoke, then the policy's shares. Skips where a model trained on newer data is live."""
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        with self.rejecting(run, candidate):  # an earlier try may have left it servers
            self.admit_candidate(run, candidate)
            self._await_turn(run, candidate)
            self.admit_candidate(run, candidate)
            write_orders(run, candidate, self.settings)
            rollout = self.cluster_rollout(run, candidate)
            held = rollout.advance()
        return self._rolled(rollout, candidate, held, context)

    def execute_complete(self, context: Context, event: dict[str, Any], **held: Any) -> Any:  # noqa: ANN401
        """Go on after a person's answer, or after there was none."""
        return self.measured(context, lambda run, context: self._answered(run, context, event, Held(**held)))

    def cluster_rollout(self, run: Run, candidate: ModelVersion) -> ClusterRollout:
        """The rollout of this run's candidate over the live version."""
        return rollout_of(
            run,
            candidate,
            self.settings,
            self.ledger,
            lambda line: self.log.info("%s", line),
            lambda: self.admit_candidate(run, candidate),
        )

    def _answered(self, run: Run, context: Context, event: dict[str, Any], held: Held) -> Any:  # noqa: ANN401
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
                # known before it is done: a task that fails here is tried again, and must not ask again
                self.ledger.reject(candidate.workload, candidate.version, reason, by=actor(run))
                raise rollout.reject(held, reason)
            self.log.info("approved %s: %s", by_whom(event), held.reason)
            again = rollout.go_on(held)
        return self._rolled(rollout, candidate, again, context)

    def _rolled(self, rollout: ClusterRollout, candidate: ModelVersion, held: Held | None, context: Context) -> Any:  # noqa: ANN401
        if held is None:
            return {"address": rollout.address, "version": candidate.version}
        question = approval.Question(
            subject=f"Shall {candidate.workload} {candidate.version} get its next share of the requests?",
            about=held.reason,
            # Airflow keeps the first question's text for all that one task asks
            body=f"A step could not be judged, first {held.reason}\n\nLater ones are in the log of this task. Approve "
            f"goes on with the next step, Reject lets version {held.stable} answer alone.",
        )
        self.log.info("waits for a person: %s", held.reason)
        approval.ask(question, context, "execute_complete", **asdict(held))

    def put_back(self, run: Run, candidate: ModelVersion, reason: str) -> None:
        """Let the ledger's live version answer alone; a candidate that it does not call live loses its servers."""
        self.cluster_rollout(run, candidate).abandon(reason)

    def _await_turn(self, run: Run, candidate: ModelVersion) -> None:
        """One rollout at a time: another run's is watched to its end, or taken over once it is overdue."""
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
