"""A person changes which version is live: the ledger decides and keeps who and why, then the servers follow."""

from millrace import model_server
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import ModelVersion
from millrace.ledger.records import Actor
from millrace.settings import Settings


def roll_back(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> str | None:
    """Take a version away; what was live before it is live again, and returned. None where nothing is live then.

    Raises RefusedError as Ledger.revert does, and while a rollout is under way.
    Done once more, the servers follow again.
    """
    ledger = settings.ledger()
    _refuse_in_rollout(settings, workload)
    taken = ledger.model(workload, version)
    restored = ledger.revert(workload, version, reason, by=Actor(actor))
    _follow(settings, workload, taken.model if taken else None)
    return restored


def promote(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> str | None:
    """Make a candidate live without a canary; returns the version that was.

    Raises RefusedError as Ledger.promote does, and while a rollout is under way.
    Done once more, the servers follow again.
    """
    ledger = settings.ledger()
    _refuse_in_rollout(settings, workload)
    before = ledger.live_model(workload)
    previous = ledger.promote(workload, version, by=Actor(actor), reason=reason)
    _follow(settings, workload, before.model if before and before.model.version != version else None)
    return previous


def readmit(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> None:
    """Let a version be judged again, or promoted, that was rejected or that a person took back; nothing is served yet.

    Raises RefusedError where its files were swept.
    """
    settings.ledger().readmit(workload, version, reason, by=Actor(actor))


def _follow(settings: Settings, workload: str, instead_of: ModelVersion | None) -> None:
    if settings.launcher == "kubernetes":
        from millrace import cluster_server  # seconds of imports

        cluster_server.serve_live(settings, workload, instead_of)
    else:
        model_server.serve_live(settings, workload)


def _refuse_in_rollout(settings: Settings, workload: str) -> None:
    if settings.launcher == "kubernetes":
        from millrace import cluster_server

        canary = cluster_server.canary(settings, workload)
    else:
        canary = model_server.canary(settings, workload)
    if canary is not None:
        raise RefusedError(
            f"version {canary} is being rolled out",
            where=workload,
            rule="one change of a service at a time",
            remedy="wait for its run's end; a canary that errs goes back by itself",
        )
