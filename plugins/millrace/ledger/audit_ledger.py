"""The ledger's part for who decided what."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from millrace.contracts.errors import RefusedError
from millrace.ledger import audit
from millrace.ledger.database import Database, Row
from millrace.ledger.records import Actor, Chain, Decision, RunKey


class AuditLedger:
    """Decisions and refusals, inserted only; see Ledger, which is one."""

    _database: Database

    def record_decision(self, decision: Decision) -> bool:
        """Keep a decision that changes nothing else in the ledger; False where its ``once`` is known already.

        What the ledger's own methods decide they record themselves, in the same transaction.
        """
        return audit.record(self._database, decision)

    @contextmanager
    def refusals_kept(self, decision: Decision) -> Iterator[None]:
        """Record that a decision was refused where the block raises RefusedError, which goes on.

        The same refusal of one repeat of a run is kept once, however often its task is tried; a person's each time.
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
        """Record what changed in settings and declarations since a run last looked; by subject, name and text.

        The subjects in ``site_wide`` are no DAG's.
        """
        audit.note_settings(self._database, in_force, by, site_wide)

    def audit(self, dag_id: str | None = None, limit: int = 100) -> list[Row]:
        """The audit's rows, the newest first."""
        return audit.rows(self._database, dag_id, limit)

    def audit_page(
        self, dag_ids: Sequence[str], *, site_wide: bool, before: int | None = None, limit: int = 50
    ) -> tuple[list[Row], int, str]:
        """Rows of these DAGs, and where asked of the whole site, the newest first; and the head's count and digest.

        ``wrong`` says of each row what is wrong with it, "" for nothing; ``before`` is a row's number.
        """
        return audit.page(self._database, dag_ids, site_wide, before, limit)

    def check_audit(self, expect: str | None = None) -> Chain:
        """Read the whole audit: whether each row is as it was written and follows the one before, to the head's.

        ``expect`` is a digest that was kept elsewhere: a row must have it.
        """
        return audit.check(self._database, expect)

    def triggered_by(self, dag_id: str, run_id: str) -> str | None:
        """The person who triggered a run; None for one that nobody did, or that is older than the audit."""
        return audit.triggered_by(self._database, RunKey(dag_id, run_id, 0))

    def newest_answer(self, dag_id: str, run_id: str, subject: str) -> Row | None:
        """The newest answer (approve or reject, and the actor) to what a run asked since its last judged repeat."""
        with self._database.read() as transaction:
            return transaction.one("select_newest_answer", dag_id=dag_id, run_id=run_id, subject=subject)

    def newest_taken_over(self) -> datetime | None:
        """When the newest thing happened that was taken over from Airflow's own log."""
        with self._database.read() as transaction:
            row = transaction.one("select_newest_taken")
        return None if row is None or row["decided_at"] is None else datetime.fromisoformat(row["decided_at"])

    def known_decisions(self, names: Sequence[str]) -> set[str]:
        """Which of these ``once`` are in the audit."""
        return audit.known(self._database, names)
