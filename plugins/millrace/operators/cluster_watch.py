"""Watches a version whose pods answer every request, then makes it live."""

from typing import Any

from airflow.sdk import Context

from millrace import orders
from millrace.contracts.report import EvaluateResult
from millrace.operators.cluster_rollout import ClusterRolloutOperator
from millrace.run import Run


class ClusterWatchOperator(ClusterRolloutOperator):
    """Replays test rows, so that it needs no traffic; the old version's pods stand by until it is over."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Watch, release the old version's servers, and let the ledger name the new one live."""
        candidate = orders.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        rollout = self.cluster_rollout(run, candidate)
        with self.rejecting(run, candidate, lambda: None):
            rollout.watch()
        previous = self.ledger.promote(candidate.workload, candidate.version, dag_id=run.dag_id, run_id=run.run_id)
        self.log.info("%s is live at %s, in place of %s", candidate.version, rollout.address, previous or "nothing")
        return {"address": rollout.address, "version": candidate.version, "previous": previous}
