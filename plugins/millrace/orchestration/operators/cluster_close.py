"""Ends a run in the ledger, and a rollout that was left half-way."""

from collections.abc import Mapping

from millrace.contracts.errors import StepError
from millrace.orchestration.operators.close import CloseOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.cluster_server import rollout_of, serve_live
from millrace.runs.run import Run


class ClusterCloseOperator(CloseOperator):
    """CloseOperator, for clusters: a canary whose task was killed for good, or ended by hand, loses its share."""

    def settle(self, run: Run, states: Mapping[str, str | None]) -> None:
        """Let what the ledger calls live answer alone where this run's candidate still has servers beside it."""
        candidate = self.rolled_out(run, states)
        if candidate is None or states.get("watch") == "success":
            return
        reason = "the rollout was ended half-way"
        try:
            recorded = self.ledger.model(candidate.workload, candidate.version)
            if recorded is not None and recorded.state == "live":
                serve_live(self.settings, candidate.workload, None)
                return
            rollout = rollout_of(run, candidate, self.settings, self.ledger, lambda line: self.log.info("%s", line))
            if rollout.abandon(reason):
                self.ledger.reject(candidate.workload, candidate.version, reason, by=actor(run))
        except StepError as error:
            # a run has an ending in the ledger, whatever the cluster says
            self.log.error("the candidate may still have a share of the requests: %s", error)
