"""The ledger's methods for the audit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from millrace.contracts.errors import RefusedError
from millrace.ledger import audit
from millrace.ledger.database import Database, Row
from millrace.ledger.records import Actor, Chain, Decision, RunKey


class AuditLedger:
    """Decisions and refusals, insert-only; a base class of Ledger."""

    _database: Database

    def record_decision(self, decision: Decision) -> bool:
        """Record a decision that changes nothing else in the ledger; False if its ``once`` is already recorded.

        Methods of the ledger record their own decisions in the same transaction.
        """
        return audit.record(self._database, decision)

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
        refused = Decision(
            decision.action, decision.subject, decision.by, decision.reason, f"{error.what} ({error.rule})", "refused",
            dag_id=decision.dag_id,
            run=decision.run,
            once=decision.once or (audit.once_for(run, "refused", error.what) if run else None),
        )  # fmt: skip
        audit.record(self._database, refused)

    def note_settings(
        self, in_force: Mapping[str, Mapping[str, str]], by: Actor, site_wide: Collection[str] = ()
    ) -> None:
        """Record changes in settings and declarations since the last run; ``in_force`` is by subject, name and text.

        The subjects in ``site_wide`` belong to no DAG.
        """
        audit.note_settings(self._database, in_force, by, site_wide)

    def audit(self, dag_id: str | None = None, limit: int = 100) -> list[Row]:
        """Return rows of the audit, newest first."""
        return audit.rows(self._database, dag_id, limit)

    def audit_page(
        self, dag_ids: Sequence[str], *, site_wide: bool, before: int | None = None, limit: int = 50
    ) -> tuple[list[Row], int, str]:
        """Return rows of these DAGs, with ``site_wide`` also those of no DAG, newest first; then the head.

        The head is the audit's row count and last digest. ``wrong`` is the fault of a row, "" if it has none;
        ``before`` is a row's number.
        """
        return audit.page(self._database, dag_ids, site_wide, before, limit)

    def check_audit(self, expect: str | None = None) -> Chain:
        """Check the whole audit: each row matches its digest and follows the previous row, up to the head.

        ``expect`` is a digest that was kept elsewhere: one of the rows must have it.
        """
        return audit.check(self._database, expect)

    def triggered_by(self, dag_id: str, run_id: str) -> str | None:
        """Return the person who triggered a run; None if no person did, or if the run is older than the audit."""
        return audit.triggered_by(self._database, RunKey(dag_id, run_id, 0))

    def newest_answer(self, dag_id: str, run_id: str, subject: str) -> Row | None:
        """Return the newest answer (approve or reject, and actor) to a run's request since its last judged repeat."""
        with self._database.read() as transaction:
            return transaction.one("select_newest_answer", dag_id=dag_id, run_id=run_id, subject=subject)

    def newest_taken_over(self) -> datetime | None:
        """Return the time of the newest event that was copied from Airflow's log; None if there is none."""
        with self._database.read() as transaction:
            row = transaction.one("select_newest_taken")
        return None if row is None or row["decided_at"] is None else datetime.fromisoformat(row["decided_at"])

    def known_decisions(self, names: Sequence[str]) -> set[str]:
        """Return the given ``once`` names that are in the audit."""
        return audit.known(self._database, names)
