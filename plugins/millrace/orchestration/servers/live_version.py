"""Manual changes of the live version: the ledger checks and records them with actor and reason, then servers follow."""

from millrace.contracts.errors import RefusedError
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision
from millrace.orchestration.approval import same_person
from millrace.orchestration.servers.servers import servers_of
from millrace.settings import Settings


def roll_back(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> str | None:
    """Roll a version back; return the version that is live afterwards, which is the previous one, or None.

    Raises RefusedError as Ledger.revert does, and while a rollout is under way. A repeated call makes the servers
    follow again.
    """
    ledger, by = settings.ledger(), Actor(actor)
    with ledger.refusals_kept(Decision("roll_back", version, by, reason, dag_id=workload)):
        _refuse_in_rollout(settings, workload)
    taken = ledger.model(workload, version)
    restored = ledger.revert(workload, version, reason, by=by)
    servers_of(settings).serve_live(workload, taken.model if taken else None)
    return restored


def promote(
    settings: Settings, workload: str, version: str, *, reason: str, actor: str, not_own_of: str | None = None
) -> str | None:
    """Make a candidate live without a canary; return the version that was live before.

    Raises RefusedError as Ledger.promote does, while its run or a rollout is under way, and if ``not_own_of`` names
    the person who triggered its run. Raises BadInputError, before any change, if no server could serve it. A repeated
    call makes the servers follow again.
    """
    ledger, by = settings.ledger(), Actor(actor)
    with ledger.refusals_kept(Decision("promote", version, by, reason, dag_id=workload)):
        _refuse_unfit(ledger, workload, version, not_own_of)
        _refuse_in_rollout(settings, workload)
    if (found := ledger.model(workload, version)) is not None:  # otherwise the ledger raises the error
        servers_of(settings).refuse_without_server(found.model)
    before = ledger.live_model(workload)
    previous = ledger.promote(workload, version, by=by, reason=reason)
    servers_of(settings).serve_live(workload, before.model if before and before.model.version != version else None)
    return previous


def readmit(settings: Settings, workload: str, version: str, *, reason: str, actor: str) -> None:
    """Make a version that was rejected or taken back a candidate again, for a gate or ``promote``; serves nothing.

    Raises RefusedError if its files were swept.
    """
    settings.ledger().readmit(workload, version, reason, by=Actor(actor))


def _refuse_unfit(ledger: Ledger, workload: str, version: str, not_own_of: str | None) -> None:
    model = ledger.model(workload, version)
    if model is None:
        return  # the ledger raises a better error for it
    run = model.run
    if any(row["state"] == "running" for row in ledger.views.repeats(run.dag_id, run.run_id)):
        raise RefusedError(
            "the run that made this version is not over",
            where=f"{run.dag_id} / {run.run_id}",
            rule="a run that is under way decides itself",
            remedy="answer its request in Required Actions, or wait for its end",
        )
    if not_own_of is not None and ledger.triggered_by(run.dag_id, run.run_id) == not_own_of:
        raise same_person(not_own_of, f"{workload} / {version}", "promote its version")


def _refuse_in_rollout(settings: Settings, workload: str) -> None:
    canary = servers_of(settings).canary(workload)
    if canary is not None:
        raise RefusedError(
            f"version {canary} is being rolled out",
            where=workload,
            rule="one change of a service at a time",
            remedy="wait for its run's end; a canary that errs goes back by itself",
        )
