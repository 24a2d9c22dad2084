"""Ends a run in the ledger, and a rollout that was left half-way."""

from collections.abc import Mapping

from millrace.cluster_server import rollout_of
from millrace.contracts.errors import StepError
from millrace.contracts.report import EvaluateResult
from millrace.operators.close import CloseOperator
from millrace.run import Run


class ClusterCloseOperator(CloseOperator):
    """CloseOperator, for clusters: a canary whose task was killed for good, or ended by hand, loses its share."""

    def settle(self, run: Run, states: Mapping[str, str | None]) -> None:
        """Let the stable version answer alone where a candidate that did not go live still has servers."""
        evaluated = self.ledger.committed_report(run.dag_id, run.run_id, "evaluate")
        if states.get("watch") == "success" or evaluated is None or not isinstance(evaluated.result, EvaluateResult):
            return
        candidate = evaluated.result.candidate.model
        recorded = self.ledger.model(candidate.workload, candidate.version)
        if recorded is None or recorded.state not in ("candidate", "rejected"):
            return
        reason = "the rollout was ended half-way"
        try:
            rollout = rollout_of(run, candidate, self.settings, self.ledger, lambda line: self.log.info("%s", line))
            if rollout.abandon(reason):
                self.ledger.reject(candidate.workload, candidate.version, reason)
        except StepError as error:
            # a run has an ending in the ledger, whatever the cluster says
            self.log.error("the candidate may still have a share of the requests: %s", error)
