"""Compare the versions that answer a workload's requests with the ledger's live version."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from millrace.contracts.model import ModelVersion
from millrace.ledger.ledger import Ledger
from millrace.orchestration.servers.servers import servers_of
from millrace.settings import Settings

log = logging.getLogger(__name__)

_ROLLING_OUT = "candidate"


@dataclass(frozen=True)
class Divergence:
    """A difference: ``answers`` are the versions that answer, ``live`` is the ledger's; ``reason`` describes it."""

    workload: str
    live: str | None
    answers: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.workload}: {self.reason}"


def divergence(settings: Settings, workload: str) -> Divergence | None:
    """Return how the answering versions differ from the ledger's live one; None without a difference.

    None also while a server starts or does not answer. A candidate may answer only while a run of the workload is open.
    Raises the store's, the ledger's and the cluster's errors.
    """
    answers = servers_of(settings).answering(workload)
    return None if answers is None else compare(settings.ledger(), workload, answers)


def is_divergent(settings: Settings, workload: str) -> bool | None:
    """Return whether there is a divergence; None if unknown, since a server starts or does not answer."""
    try:
        answers = servers_of(settings).answering(workload)
        return None if answers is None else compare(settings.ledger(), workload, answers) is not None
    except Exception as error:  # of the store, the cluster or its client: a scrape must continue without this value
        log.warning("what answers for %s is not known: %s", workload, error)
        return None


def compare(ledger: Ledger, workload: str, answers: Sequence[str]) -> Divergence | None:
    """Return the divergence, as ``divergence`` does, for these answering versions."""
    found = ledger.live_model(workload)
    live = found.model.version if found else None
    rolling_out = bool(ledger.open_runs(workload))
    reasons = []
    for version in answers:
        if version == live:
            continue
        recorded = ledger.model(workload, version)
        state = recorded.state if recorded else "unknown to the ledger"
        if state != _ROLLING_OUT or not rolling_out:
            reasons.append(f"version {version} answers, which is {state}")
    if live is not None and live not in answers:
        reasons.append(f"version {live} is live and does not answer")
    return Divergence(workload, live, tuple(answers), "; ".join(reasons)) if reasons else None


def held(settings: Settings) -> list[ModelVersion]:
    """Return every version that servers have or are to serve, in any state in the ledger; retention keeps their files.

    Raises the store's, the ledger's and the cluster's errors, so that no caller continues with an incomplete list.
    """
    return servers_of(settings).held()
