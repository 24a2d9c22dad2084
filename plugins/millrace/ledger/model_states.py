"""State changes of model versions: runs judge a version any number of times; a person's rollback binds all runs.

A verdict belongs to the run that gave it. ``state`` is the version's current state; its events name who changed it.
"""

from millrace.contracts.errors import RefusedError
from millrace.ledger import audit
from millrace.ledger.audit import Audit
from millrace.ledger.database import Row, Transaction, now
from millrace.ledger.models import find, keep_event
from millrace.ledger.records import PASSED_OVER, Actor, Decision, RecordedModel, RunKey, recorded_model

# the newest of these events names the actor of a version's last judgement
_JUDGING = ("rejected", "readmitted", "promoted", "restored")


class ModelStates(Audit):
    """Changes of a version's state; the audit records each one and each refusal."""

    def promote(self, workload: str, version: str, *, by: Actor, reason: str = "rolled out") -> str | None:
        """Make a version live, retire the live one and return its name; a repeated call changes nothing.

        A run promotes a version that it has judged, whatever other runs decided about it; a person promotes only a
        candidate. Raises RefusedError if the live version was trained on newer data (a later last day, or the same day
        in a later dataset version), if a person rolled the version back, this run rejected it or its files were swept;
        BadInputError if it is unknown.
        """
        asked = Decision("promote", version, by, reason, dag_id=workload)
        with self.refusals_kept(asked), self._database.write() as transaction:
            transaction.one("lock_workload", workload=workload)
            candidate = find(transaction, workload, version)
            if candidate.state == "live":
                return candidate.previous_version
            if candidate.state != "candidate":
                if by.is_person:
                    raise _refused(candidate, "go live", "a person promotes a candidate", "readmit it first")
                _refuse_own_rejection(transaction, candidate, by)
                _admit(transaction, candidate, by, reason)
            row = transaction.one("select_live_model", workload=workload)
            live = None if row is None else recorded_model(row)
            if live and live.dataset.age > candidate.dataset.age:
                raise RefusedError(
                    f"version {live.model.version} is live and was trained on newer data ({live.dataset.described})",
                    where=f"{workload} / {version}: trained {candidate.dataset.described}",
                    rule="a model never goes live over one that was trained on newer data",
                    remedy="train again up to the newest day, or roll the live version back first",
                )
            previous = live.model.version if live else None
            if previous is not None:
                _move(transaction, workload, previous, "live", "retired")
                keep_event(transaction, workload, previous, "retired", by, f"{version} went live")
            transaction.execute(
                "promote_model", workload=workload, version=version, previous_version=previous, at=now()
            )
            keep_event(transaction, workload, version, "promoted", by, reason)
            effect = f"{version} is live" + (f", in place of {previous}" if previous else "")
            audit.append(transaction, Decision("promote", version, by, reason, effect, dag_id=workload))
            return previous

    def revert(self, workload: str, version: str, reason: str, *, by: Actor) -> str | None:
        """Roll a version back; if it was live, the last live version that was not rolled back becomes live again.

        A version that a person rolls back cannot go live until a person readmits it; after a rollback by a run, another
        run may judge it. Returns the version that is live afterwards, or None; a repeated call changes nothing. Raises
        RefusedError if a run rolls back a rejected version, BadInputError for an unknown version.
        """
        asked = Decision("roll_back", version, by, reason, dag_id=workload)
        with self.refusals_kept(asked), self._database.write() as transaction:
            transaction.one("lock_workload", workload=workload)
            bad = find(transaction, workload, version)
            if bad.state == "rejected" and not by.is_person:
                raise _refused(bad, "be rolled back", "a rejected version never went live", "nothing is to be done")
            if bad.state != "rolled_back":
                _move(transaction, workload, version, bad.state, "rolled_back")
            decided = bad.state != "rolled_back" or (by.is_person and _bar(transaction, bad) is None)
            if decided:
                keep_event(transaction, workload, version, "rolled_back", by, reason, bad.state)
            if bad.state == "live":
                _restore(transaction, bad, by)
            row = transaction.one("select_live_model", workload=workload)
            live = None if row is None else str(row["version"])
            if decided:
                effect = f"it was {bad.state}; {live or 'no version'} is live"
                audit.append(transaction, Decision("roll_back", version, by, reason, effect, dag_id=workload))
            return live

    def reject(self, workload: str, version: str, reason: str, *, by: Actor) -> None:
        """Record that a run rejected a candidate, which does not bind later runs; a repeated call changes nothing.

        A version that was live before and was then replaced becomes retired again, so that a rollback can restore it.
        The live version and one that was rolled back keep their state; the run's row holds the verdict.
        """
        asked = Decision("reject", version, by, reason, dag_id=workload)
        with self.refusals_kept(asked), self._database.write() as transaction:
            transaction.one("lock_workload", workload=workload)
            found = find(transaction, workload, version)
            if found.state not in ("candidate", "rejected"):
                return
            newest = _newest(transaction, found, *_JUDGING)
            if newest is not None and newest["event"] == "rejected" and _is_by(newest, by):
                return
            if found.state == "candidate":
                _move(transaction, workload, version, "candidate", _state_after_rejection(newest))
            keep_event(transaction, workload, version, "rejected", by, reason)
            audit.append(transaction, Decision("reject", version, by, reason, f"it was {found.state}", dag_id=workload))

    def readmit(self, workload: str, version: str, reason: str, *, by: Actor, anew: bool = False) -> None:
        """Make a rejected, retired or rolled-back version a candidate again; other states stay.

        Raises RefusedError if ``by`` is a run and a person rolled the version back (the error names who, when, why and
        the remedy) or this repeat rejected it and does not judge it ``anew``; for any actor if its files were swept.
        """
        asked = Decision("readmit", version, by, reason, dag_id=workload)
        with self.refusals_kept(asked), self._database.write() as transaction:
            transaction.one("lock_workload", workload=workload)
            found = find(transaction, workload, version)
            if not anew:
                _refuse_own_rejection(transaction, found, by)
            if found.state in PASSED_OVER:
                _admit(transaction, found, by, reason)
                effect = f"it was {found.state}, and is a candidate"
                audit.append(transaction, Decision("readmit", version, by, reason, effect, dag_id=workload))


def _admit(transaction: Transaction, found: RecordedModel, by: Actor, reason: str) -> None:
    """Make a version a candidate again. Raises RefusedError if a person's rollback or a sweep forbids it."""
    workload, version = found.model.workload, found.model.version
    barred = _bar(transaction, found)
    if barred is not None and not by.is_person:
        raise RefusedError(
            f"version {version} {_barred_by(barred)}",
            where=f"{workload} / {version}",
            rule="a version that a person took back answers nobody until a person readmits it",
            remedy=f"who may edit {workload} readmits it on the page Models; or train another one",
        )
    if transaction.one("select_swept_model", workload=workload, version=version) is not None:
        raise RefusedError(
            "the files of this version were swept",
            where=f"{workload} / {version}",
            rule="what is served is there",
            remedy="clear the task train of its run, which makes the same version again",
        )
    _move(transaction, workload, version, found.state, "candidate")
    keep_event(transaction, workload, version, "readmitted", by, reason, found.state)


def _state_after_rejection(newest: Row | None) -> str:
    """Return "retired" for a version that was retired before this judgement, so that a rollback can restore it."""
    came_back = newest is not None and newest["event"] == "readmitted" and newest["from_state"] == "retired"
    return "retired" if came_back else "rejected"


def _bar(transaction: Transaction, found: RecordedModel) -> Row | None:
    """Return the event by which a person rolled this version back; None if there is none."""
    if found.state != "rolled_back":
        return None
    newest = _newest(transaction, found, "rolled_back")
    return newest if newest is not None and newest["by_person"] else None


def _barred_by(row: Row) -> str:
    return f"was rolled back by {row['actor']} at {row['at'][:16].replace('T', ' ')} UTC: {row['reason']}"


def _refuse_own_rejection(transaction: Transaction, found: RecordedModel, by: Actor) -> None:
    newest = _newest(transaction, found, *_JUDGING)
    if newest is not None and newest["event"] == "rejected" and _is_by(newest, by):
        raise RefusedError(
            f"this run has turned the version down: {newest['reason']}",
            where=f"{found.model.workload} / {found.model.version}",
            rule="a verdict holds for the repeat of the run that gave it",
            remedy="clear the task gate, which judges the version anew, or trigger another run",
        )


def _is_by(row: Row, by: Actor) -> bool:
    run = RunKey(row["dag_id"], row["run_id"], row["repeat"]) if row["dag_id"] is not None else None
    return run == by.run and row["actor"] == by.name


def _newest(transaction: Transaction, found: RecordedModel, *events: str) -> Row | None:
    workload, version = found.model.workload, found.model.version
    return transaction.one("select_newest_event", workload=workload, version=version, events=events)


def _restore(transaction: Transaction, bad: RecordedModel, by: Actor) -> None:
    """Make the last live version that was not rolled back live again."""
    workload = bad.model.workload
    row = transaction.one("select_predecessor", workload=workload)
    if row is not None:
        _move(transaction, workload, row["version"], row["state"], "live", promoted_at=now())
        keep_event(transaction, workload, row["version"], "restored", by, f"{bad.model.version} was rolled back")


def _refused(found: RecordedModel, what: str, rule: str, remedy: str) -> RefusedError:
    where = f"{found.model.workload} / {found.model.version}"
    return RefusedError(f"a version that is {found.state} cannot {what}", where=where, rule=rule, remedy=remedy)


def _move(
    transaction: Transaction,
    workload: str,
    version: str,
    from_state: str,
    to_state: str,
    promoted_at: str | None = None,
) -> None:
    transaction.execute(
        "move_model",
        workload=workload,
        version=version,
        from_state=from_state,
        to_state=to_state,
        promoted_at=promoted_at,
    )
