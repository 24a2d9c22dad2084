"""Records a run's end in the ledger and undoes a rollout on Kubernetes that was left unfinished."""

from collections.abc import Mapping

from millrace.contracts.errors import StepError
from millrace.orchestration.operators.finish import FinishOperator
from millrace.orchestration.run_entry import actor
from millrace.orchestration.servers.cluster_server import rollout_of, serve_live
from millrace.runs.run import Run


class ClusterFinishOperator(FinishOperator):
    """FinishOperator for Kubernetes: a canary whose task was killed or ended by hand loses its share of requests."""

    def settle(self, run: Run, states: Mapping[str, str | None]) -> None:
        """Make the ledger's live version answer alone if this run's candidate still has servers beside it.

        The candidate is rejected when that takes servers away from it; it stays if the ledger names it live.
        """
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
            # the run must be closed in the ledger even if the cluster fails
            self.log.error("the candidate may still have a share of the requests: %s", error)
