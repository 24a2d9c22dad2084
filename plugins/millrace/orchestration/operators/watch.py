"""Watches a candidate that answers all requests, then makes it live."""

from typing import Any

from airflow.sdk import Context

from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.candidate import Candidate
from millrace.orchestration.servers.servers import servers_of
from millrace.runs.run import Run


class WatchOperator(WorkloadOperator):
    """Sends test rows as requests, so that it needs no traffic; errors or slowness bring the old version back."""

    def work(self, run: Run, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Watch the candidate, make it live in the ledger, and only then release the old version."""
        candidate = Candidate.of(run, self.ledger, servers_of(self.settings), self.log.info)
        model = candidate.model
        with candidate.rejecting():
            was_live = candidate.is_live()  # an earlier attempt may have made it live
            if not was_live:
                candidate.admit()  # a person may have taken it back since the rollout
            candidate.servers.begin(run, model)
            rollout = candidate.rollout()
            if not was_live:
                rollout.watch()
            previous = self.ledger.promote(model.workload, model.version, by=actor(run))
            rollout.finish()
        self.log.info("%s is live at %s, in place of %s", model.version, rollout.address, previous or "nothing")
        return {"address": rollout.address, "version": model.version, "previous": previous}
