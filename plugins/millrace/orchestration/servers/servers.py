"""Model servers of a launcher: what the rest of Airflow's side asks of them, and the choice between the two kinds."""

from typing import Protocol

from millrace.contracts.model import ModelVersion
from millrace.runs.run import Run
from millrace.serving.server_files import Progress
from millrace.serving.traffic import Replacement, Traffic
from millrace.settings import Settings


class Servers(Protocol):
    """Model servers of every workload. Methods raise the store's, the ledger's and the cluster's errors."""

    def begin(self, run: Run, candidate: ModelVersion) -> None:
        """Prepare a rollout of this candidate. Idempotent."""

    def traffic(self, run: Run, replacement: Replacement) -> Traffic:
        """Return the traffic that a run's rollout shifts."""

    def other_rollout(self, run: Run, candidate: ModelVersion) -> str | None:
        """Return the versions of another run's rollout that is under way, as a text; None if there is none."""

    def put_back(self, run: Run, candidate: ModelVersion, reason: str, progress: Progress) -> bool:
        """Make the ledger's live version answer alone after an error; without one nothing answers.

        Does nothing while another run's candidate is in rollout. Returns whether the candidate lost servers of its own.
        """

    def serve_live(self, workload: str, instead_of: ModelVersion | None = None) -> None:
        """Make the servers serve only the ledger's live version, ``instead_of`` the one they served; without one none.

        Raises TransientError if they do not follow in time.
        """

    def refuse_without_server(self, version: ModelVersion) -> None:
        """Raise BadInputError if no server could serve this version."""

    def canary(self, workload: str) -> str | None:
        """Return the version in rollout; None if there is none, or it was reverted."""

    def is_rolling_out(self, workload: str) -> bool:
        """Return whether a candidate of an open run has, or is about to have, a share of the requests."""

    def answering(self, workload: str) -> list[str] | None:
        """Return the versions that are loaded, or have servers; None while a server starts or does not answer."""

    def held(self) -> list[ModelVersion]:
        """Return every version that servers have or are to serve, in any state in the ledger; retention keeps them."""


def servers_of(settings: Settings) -> Servers:
    """Return the model servers of the launcher in use."""
    if settings.launcher == "kubernetes":
        from millrace.orchestration.servers.cluster_servers import ClusterServers  # seconds of imports

        return ClusterServers(settings)
    from millrace.orchestration.servers.process_servers import ProcessServers

    return ProcessServers(settings)
