"""The audit: one insert-only row per decision or refusal, each with the digest of the previous row."""

import hashlib
import heapq
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from millrace.contracts.errors import RefusedError, TransientError, legible
from millrace.ledger.database import Row, Tables, Transaction, Value, now, written
from millrace.ledger.records import Actor, Chain, Decision, RunKey, key_columns

NO_DIGEST = "0" * 64
_FIELDS = (
    "sequence", "recorded_at", "decided_at", "action", "outcome", "subject", "actor", "by_person", "dag_id", "run_id",
    "repeat", "reason", "effect", "once", "previous",
)  # fmt: skip
_PAGE = 1000
_NAMES_AT_ONCE = 500
_BEYOND = 2**62


class Audit(Tables):
    """Decisions and refusals, insert-only."""

    def record_decision(self, decision: Decision) -> bool:
        """Record a decision that changes nothing else in the ledger; False if its ``once`` is already recorded.

        Methods of the ledger record their own decisions in the same transaction.
        """
        with self._database.write() as transaction:
            return append(transaction, decision)

    @contextmanager
    def refusals_kept(self, decision: Decision) -> Iterator[None]:
        """Record a refusal if the block raises RefusedError, and re-raise it.

        The same refusal of one repeat of a run is recorded once for all attempts; a person's refusals each time.
        """
        try:
            yield
        except RefusedError as error:
            self.record_refusal(decision, error)
            raise

    def record_refusal(self, decision: Decision, error: RefusedError) -> None:
        """Record that a decision was refused, and why."""
        run = decision.by.run
        once = decision.once or (once_for(run, "refused", error.what) if run else None)
        effect = f"{error.what} ({error.rule})"
        # refused now, whenever the decision was taken
        self.record_decision(replace(decision, effect=effect, outcome="refused", once=once, at=None))

    def note_settings(
        self, in_force: Mapping[str, Mapping[str, str]], by: Actor, site_wide: Collection[str] = ()
    ) -> None:
        """Record changes in settings and declarations since the last run; ``in_force`` is by subject, name and text.

        The subjects in ``site_wide`` belong to no DAG.
        """
        contents = {subject: json.dumps(dict(values), sort_keys=True) for subject, values in in_force.items()}
        with self._database.read() as transaction:
            changed = [subject for subject, content in contents.items() if _seen(transaction, subject) != content]
        if not changed:
            return
        with self._database.write() as transaction:
            effects = {}
            for subject in sorted(changed):
                before, content = _seen(transaction, subject), contents[subject]
                # no row changes if another process recorded it first
                if transaction.execute("upsert_settings_seen", subject=subject, content=content, at=now()):
                    effects[subject] = _difference(before, content)
            for subject, effect in effects.items():
                of_site = subject in site_wide
                append(transaction, Decision("settings", subject, by, "seen by this run", effect, site_wide=of_site))

    def audit(self, dag_id: str | None = None, limit: int = 100) -> list[Row]:
        """Return rows of the audit, newest first."""
        return self._all("select_audit_rows", dag_id=dag_id, row_limit=limit)

    def audit_page(
        self, dag_ids: Sequence[str], *, site_wide: bool, before: int | None = None, limit: int = 50
    ) -> tuple[list[Row], int, str]:
        """Return rows of these DAGs, with ``site_wide`` also those of no DAG, newest first; then the head.

        The head is the audit's row count and last digest. ``wrong`` is the fault of a row, "" if it has none;
        ``before`` is a row's number.
        """
        bounds: dict[str, Value] = {"before": _BEYOND if before is None else before, "row_limit": limit}
        with self._database.read() as transaction:
            known = {row["dag_id"] for row in transaction.all_by("select_dags", {"table": "audit"})}
            each = [transaction.all("select_audit_numbers", dag_id=name, **bounds) for name in known & set(dag_ids)]
            each += [transaction.all("select_audit_site_numbers", **bounds)] if site_wide else []
            numbers = heapq.nlargest(limit, (int(row["sequence"]) for rows in each for row in rows))
            found = transaction.all("select_audit_page", numbers=tuple(numbers)) if numbers else []
            count, digest = _head(transaction)
        return [{**row, "wrong": fault(row, row["sequence"], row["digest_before"])} for row in found], count, digest

    def check_audit(self, expect: str | None = None) -> Chain:
        """Check the whole audit: each row matches its digest and follows the previous row, up to the head.

        ``expect`` is a digest that was kept elsewhere: one of the rows must have it.
        """
        with self._database.read() as transaction:
            before = _head(transaction)
            count, digest, expected = 0, NO_DIGEST, expect in (None, NO_DIGEST)
            while rows := transaction.all("select_audit_chain", after=count, row_limit=_PAGE):
                for row in rows:
                    if wrong := fault(row, count + 1, digest):
                        return Chain(count, digest, count + 1, wrong)
                    count, digest = count + 1, row["digest"]
                    expected = expected or digest == expect
                    if before == (count, digest):
                        before = (0, NO_DIGEST)
            after = _head(transaction)
        # rows may be inserted during this check; each moves the head
        if before != (0, NO_DIGEST) or after[0] < count or (after[0] == count and after[1] != digest):
            end = f"row {after[0]:,} with digest {after[1]}"
            wrong = f"the head is at {end}: rows were taken from the end, or the head moved"
        elif not expected:
            wrong = f"no row has the digest {expect}: the chain was made anew, or cut off"
        else:
            return Chain(count, digest)
        return Chain(count, digest, count + 1, wrong)

    def triggered_by(self, dag_id: str, run_id: str) -> str | None:
        """Return the person who triggered a run; None if no person did, or if the run is older than the audit."""
        row = self._one("select_triggered_by", dag_id=dag_id, run_id=run_id)
        return str(row["actor"]) if row is not None and row["by_person"] else None

    def newest_answer(self, dag_id: str, run_id: str, subject: str) -> Row | None:
        """Return the newest answer (approve or reject, and actor) to a run's request since its last judged repeat."""
        return self._one("select_newest_answer", dag_id=dag_id, run_id=run_id, subject=subject)

    def newest_taken_over(self) -> datetime | None:
        """Return the time of the newest event that was copied from Airflow's log; None if there is none."""
        row = self._one("select_newest_taken")
        return None if row is None or row["decided_at"] is None else datetime.fromisoformat(row["decided_at"])

    def known_decisions(self, names: Sequence[str]) -> set[str]:
        """Return the given ``once`` names that are in the audit."""
        found: set[str] = set()
        with self._database.read() as transaction:
            for first in range(0, len(names), _NAMES_AT_ONCE):
                part = tuple(names[first : first + _NAMES_AT_ONCE])
                found |= {row["once"] for row in transaction.all("select_audit_once", names=part)}
        return found


def digest_of(row: Mapping[str, Value]) -> str:
    """Return the SHA-256 of a row's fields as JSON with sorted names; ``previous`` is one of them."""
    fields = {name: row[name] for name in _FIELDS}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def append(transaction: Transaction, decision: Decision) -> bool:
    """Insert a decision in the transaction that carries it out; False if its ``once`` is already recorded.

    Locks the chain's end until the transaction ends. It must be the last lock of a transaction, to exclude deadlocks.
    """
    head = transaction.one("lock_audit")
    if head is None:
        raise TransientError(
            "the audit has no head",
            where="the ledger's table audit_head",
            rule="one row, which the migration wrote",
            remedy="put the table back from a backup: somebody removed it",
        )
    if decision.once is not None and transaction.all("select_audit_once", names=(legible(decision.once),)):
        return False
    run = None if decision.site_wide else decision.run or decision.by.run
    named = {"dag_id": decision.dag_id} if decision.dag_id and not decision.site_wide else {}
    recorded_at = now()
    row: dict[str, Value] = {
        "sequence": int(head["row_count"]) + 1,
        "recorded_at": recorded_at,
        "decided_at": recorded_at if decision.at is None else written(decision.at.astimezone(UTC)),
        "action": decision.action,
        "outcome": decision.outcome,
        "subject": legible(decision.subject),
        "actor": legible(decision.by.name),
        "by_person": int(decision.by.is_person),
        **key_columns(run),
        **named,
        "reason": legible(decision.reason),
        "effect": legible(decision.effect),
        "once": None if decision.once is None else legible(decision.once),
        "previous": head["digest"],
    }
    transaction.execute("insert_audit", **row, digest=digest_of(row))
    return True


def once_for(run: RunKey, *what: str) -> str:
    """Return the ``once`` of a decision or refusal that one repeat of a run makes, the same for each attempt."""
    digest = hashlib.sha256("\0".join(what).encode("utf-8", "replace")).hexdigest()[:32]
    return f"{run.dag_id} / {run.run_id} / {run.repeat}: {digest}"


def fault(row: Row, sequence: int, previous: str | None) -> str:
    """Return the fault of a row that should have this number and follow this digest; "" if it has none."""
    if row["sequence"] != sequence:
        return f"row {sequence:,} is missing: row {row['sequence']:,} follows"
    if row["previous"] != (previous if sequence > 1 else NO_DIGEST):
        return "it does not follow the row before: a row was replaced, removed or moved"
    if digest_of(row) != row["digest"]:
        return "its fields are not those that its digest was made of: it was edited"
    return ""


def _seen(transaction: Transaction, subject: str) -> str | None:
    row = transaction.one("select_settings_seen", subject=subject)
    return None if row is None else str(row["content"])


def _difference(before: str | None, after: str) -> str:
    """Return what changed, by name; for settings seen for the first time, their digest."""
    if before is None:
        return f"seen for the first time, with digest {hashlib.sha256(after.encode()).hexdigest()}"
    old, new = json.loads(before), json.loads(after)
    return "; ".join(
        f"{name}: {old.get(name, 'not set')} is now {new.get(name, 'not set')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    )


def _head(transaction: Transaction) -> tuple[int, str]:
    row = transaction.one("select_audit_head")
    return (-1, "none") if row is None else (int(row["row_count"]), str(row["digest"]))
