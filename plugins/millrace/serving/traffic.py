"""What a rollout needs of the servers of a workload: to shift their requests between two versions and to judge them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from millrace.contracts.errors import RefusedError, StepError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import Row
from millrace.serving.server_files import Progress

# a version is loaded, or its servers are ready, within this time
LOAD_TIMEOUT_SECONDS = 300.0
# between two requests of a watch
PAUSE_SECONDS = 0.05


class RolloutRevertedError(RefusedError):
    """The rollout was reverted: the candidate was removed or could not be loaded, or a request to it failed.

    The stable version continues to answer.
    """

    code = ReasonCode.ROLLOUT_REVERTED

    def __init__(self, reason: str, *, where: str) -> None:
        super().__init__(
            reason,
            where=where,
            rule="a candidate loads, answers every request and stays within the serving policy",
            remedy="the version before it still answers; read the server's log and train again",
        )
        self.reason = reason


class ServerLostError(RolloutRevertedError):
    """No server was reached: there is no verdict on the candidate, and the step is retried (exit code 20)."""

    exit_code = TransientError.exit_code
    code = TransientError.code


@dataclass(frozen=True)
class Replacement:
    """Replacement of a workload's ``live`` version, if it has one, by a candidate.

    ``rows`` are replayed as requests, so that no traffic is needed. If the live version is not ``comparable``, because
    it takes other features, the candidate gets all requests in one step, and only its errors decide. ``admit`` raises
    if the candidate must not serve; it is called after each change of the share, so that a candidate that a person
    withdraws meanwhile loses it.
    """

    candidate: ModelVersion
    live: ModelVersion | None
    policy: ServingPolicy
    rows: Sequence[Row] = ()
    progress: Progress = lambda _: None
    comparable: bool = True
    admit: Callable[[], None] = lambda: None

    @property
    def stable(self) -> ModelVersion | None:
        """The version that answers if the candidate fails; None also if the candidate is live already."""
        return None if self.live == self.candidate else self.live


class Traffic(Protocol):
    """The requests of one workload, shifted from a stable version, if there is one, to a candidate.

    Errors are RolloutRevertedError for a verdict on the candidate and ServerLostError if no server was reached. Every
    change is idempotent.
    """

    @property
    def address(self) -> str:
        """Address at which clients ask the workload's versions; it does not change."""

    def claim(self) -> None:
        """Raise BadInputError if the workload's address belongs to another workload."""
        return

    def bring_up(self) -> int:
        """Load the candidate beside the stable version, without a share; without a stable version it gets all requests.

        Returns the number of servers for the rollout, for ``give``.
        """

    def give(self, percent: int, servers: int) -> str:
        """Give the candidate that share of the requests; return the share as a text."""

    def trial(self, percent: int) -> Verdict:
        """Send requests at this share, as clients do and by name, and return the verdict on the candidate."""

    def replay(self, seconds: float) -> str:
        """Send requests for a while, while the candidate answers all; return its metrics. The stable version stays."""

    def settle(self) -> None:
        """Make the candidate the only version; called after the ledger has made it live."""

    def back(self) -> bool:
        """Make the stable version answer alone, unless somebody else has shifted the requests; return whether it was.

        Without a stable version nothing answers afterwards where the candidate has servers of its own.
        """

    def refuse_overtaken(self, stable: str | None = None) -> None:
        """Raise RolloutRevertedError if another rollout has replaced this one, which began beside ``stable``."""
        return

    def is_unfinished(self) -> bool:
        """Return whether the candidate still has servers of its own, and is not live."""
        return False

    def ended_by(self, error: StepError) -> StepError:
        """Return the error that ends the rollout, of one that was raised in it."""
        return error
