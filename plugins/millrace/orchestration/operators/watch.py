"""Watches a candidate that answers all requests, then makes it live."""

from typing import Any

from airflow.sdk import Context

from millrace.contracts.report import EvaluateResult
from millrace.orchestration.operators.rollout import RolloutOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.model_server import ensure_server
from millrace.runs import step_specs
from millrace.runs.run import Run


class WatchOperator(RolloutOperator):
    """Sends test rows as requests, so that it needs no traffic; errors or slowness bring the old version back."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Watch the candidate, make it live in the ledger, and only then release the old version."""
        candidate = step_specs.result_of(run, self.ledger, "evaluate", EvaluateResult).candidate.model
        with self.rejecting(run, candidate):
            if not self.is_live(candidate):
                self.admit_candidate(run, candidate)  # a person may have taken it back since the rollout
            server_files = ensure_server(run, self.settings)
            rollout = self.rollout(run, server_files, candidate)
            if not self.is_live(candidate):  # an earlier attempt may have made it live
                rollout.watch()
            previous = self.ledger.promote(candidate.workload, candidate.version, by=actor(run))
            status = rollout.finish()
        self.log.info("%s is live at %s, in place of %s", candidate.version, status.address, previous or "nothing")
        return {"address": status.address, "version": candidate.version, "previous": previous}
