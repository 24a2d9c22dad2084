"""A person changes which version is live: the ledger decides and keeps who and why, then the servers follow."""

from millrace import model_server
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import ModelVersion
from millrace.settings import Settings


def roll_back(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> str | None:
    """Take a version away; what was live before it is live again, and returned. None where nothing is live then.

    Raises RefusedError as Ledger.revert does, and while a rollout is under way.
    Done once more, the servers follow again.
    """
    ledger = settings.ledger()
    _refuse_in_rollout(settings, workload)
    taken = ledger.model(workload, version)
    restored = ledger.revert(workload, version, reason, actor=actor)
    _follow(settings, workload, taken.model if taken else None)
    return restored


def promote(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> str | None:
    """Make a candidate live without a canary; returns the version that was.

    Raises RefusedError as Ledger.promote does, and while a rollout is under way.
    Done once more, the servers follow again.
    """
    ledger = settings.ledger()
    _refuse_in_rollout(settings, workload)
    found = ledger.model(workload, version)
    before = ledger.live_model(workload)
    run = found.run if found else None
    by = {"dag_id": run.dag_id if run else "", "run_id": run.run_id if run else "", "actor": actor, "reason": reason}
    previous = ledger.promote(workload, version, **by)
    _follow(settings, workload, before.model if before and before.model.version != version else None)
    return previous


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
