"""Watches a candidate that answers all requests on Kubernetes, then makes it live."""

from typing import Any

from airflow.sdk import Context

from millrace.contracts.report import EvaluateResult
from millrace.orchestration.operators.cluster_rollout import ClusterRolloutOperator
from millrace.orchestration.run_entry import actor
from millrace.runs import step_specs
from millrace.runs.run import Run


class ClusterWatchOperator(ClusterRolloutOperator):
    """Sends test rows as requests, so that it needs no traffic; the old version's pods stay ready until the end."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Watch the candidate, make it live in the ledger, and only then remove the old version's servers."""
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        rollout = self.cluster_rollout(run, candidate)
        with self.rejecting(run, candidate):
            if not self.is_live(candidate):  # an earlier attempt may have made it live
                self.admit_candidate(run, candidate)
                rollout.watch()
            previous = self.ledger.promote(candidate.workload, candidate.version, by=actor(run))
            rollout.finish()
        self.log.info("%s is live at %s, in place of %s", candidate.version, rollout.address, previous or "nothing")
        return {"address": rollout.address, "version": candidate.version, "previous": previous}
