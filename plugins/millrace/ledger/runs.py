"""Runs: entered, judged by the gate and finished."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import get_args

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.measurement import MeteredJoules
from millrace.contracts.reasons import TERMINAL_STATES, ReasonCode
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import GatePolicy
from millrace.ledger import audit, datasets, stores
from millrace.ledger.database import Row, Tables, Transaction, now, written
from millrace.ledger.records import Actor, Decision, RunKey

_METRICS = get_args(GatePolicy.model_fields["metric"].annotation)


class Runs(Tables):
    """A run and its repeats, the gate's verdict on them and what meters measured."""

    def open_run(
        self,
        dag_id: str,
        run_id: str,
        *,
        workload: str,
        team: str,
        site: str,
        partition_first: date,
        partition_last: date,
        run_type: str,
        quality_metric: str = "micro_f1",
        pue: float | None = None,
        generation: int = 1,
        source: str | None = None,
        triggered_by: str | None = None,
    ) -> int:
        """Enter the run and return its running repeat; the first call, and the first after close_run, starts a new one.

        ``quality_metric`` is shown by run_summary: micro_f1 or macro_f1, BadInputError for others. ``pue`` is the
        site's current PUE, for the building's share in run_energy. ``generation`` is that of the dataset that holds the
        days. ``source`` is the workload's, as JSON (see ``sources``). ``triggered_by`` is the person who triggered the
        run, for the audit, which records every run that the schedule did not start.
        """
        if quality_metric not in _METRICS:
            raise BadInputError(
                f"unknown metric {quality_metric!r}", where=dag_id, rule=f"one of {_METRICS}", remedy="name one of them"
            )
        with self._database.write() as transaction:
            opened = transaction.execute(
                "insert_run",
                dag_id=dag_id,
                run_id=run_id,
                workload=workload,
                team=team,
                site=site,
                partition_first=partition_first.isoformat(),
                partition_last=partition_last.isoformat(),
                run_type=run_type,
                quality_metric=quality_metric,
                pue=pue,
                generation=generation,
                at=now(),
            )
            if source is not None:
                transaction.execute(
                    "upsert_source", workload=workload, dag_id=dag_id, source=source, generation=generation, at=now()
                )
            row = transaction.one("select_running_repeat", dag_id=dag_id, run_id=run_id)
            if row is not None:
                refresh_figures(transaction, RunKey(dag_id, run_id, int(row["repeat"])))
            if opened and row is not None and row["repeat"] == 0 and (triggered_by or run_type != "scheduled"):
                run = RunKey(dag_id, run_id, 0)
                days = f"{partition_first} to {partition_last}"
                who = Actor(triggered_by) if triggered_by else Actor("Airflow", run)
                once = audit.once_for(run, "trigger")
                audit.append(transaction, Decision("trigger", run_id, who, run_type, days, run=run, once=once))
        if row is None:
            raise TransientError(
                "the run was closed while it was opened",
                where=f"{dag_id} / {run_id}",
                rule="one process at a time ends a run",
                remedy="the task is retried",
            )
        return int(row["repeat"])

    def last_repeat(self, dag_id: str, run_id: str) -> int | None:
        """Return the run's newest repeat, finished or not; None if the run is not in the ledger."""
        row = self._one("select_last_repeat", dag_id=dag_id, run_id=run_id)
        return None if row is None or row["repeat"] is None else int(row["repeat"])

    def close_run(
        self, dag_id: str, run_id: str, repeat: int, *, state: str, reason: str, decision: str | None = None,
        code: ReasonCode | None = None,
    ) -> None:  # fmt: skip
        """Set a run's terminal state with its reason and code; a run that has ended keeps its first outcome.

        If the run failed, its days that are neither committed nor absent become failed, so that no later run waits for
        them. Raises BadInputError for a state that is not terminal, an empty reason or an unknown run.
        """
        run, where = RunKey(dag_id, run_id, repeat), f"{dag_id} / {run_id}, repeat {repeat}"
        if state not in TERMINAL_STATES:
            raise BadInputError(
                f"{state!r} ends no run", where=where, rule=f"one of {TERMINAL_STATES}", remedy="give a terminal state"
            )
        reason = printable(reason).strip()
        if not reason:
            raise BadInputError("the reason is empty", where=where, rule="every end has a reason", remedy="say why")
        outcome = {"state": state, "reason": reason, "reason_code": code, "decision": decision}
        with self._database.write() as transaction:
            row = lock_run(transaction, run)
            closed = transaction.execute("close_run", **asdict(run), **outcome, at=now())
            stores.release_locks(transaction, run)
            if closed and state == "failed":
                datasets.give_up(transaction, run, row, reason)
            refresh_figures(transaction, run)

    def record_verdict(self, dag_id: str, run_id: str, repeat: int, verdict: Verdict) -> None:
        """Store the gate's verdict; its outcome becomes the run's decision. Raises BadInputError for an unknown run."""
        run, given = RunKey(dag_id, run_id, repeat), {"verdict": verdict.model_dump_json(), "decision": verdict.outcome}
        with self._database.write() as transaction:
            lock_run(transaction, run)
            transaction.execute("update_run_verdict", **asdict(run), **given)

    def verdict(self, dag_id: str, run_id: str, repeat: int) -> Verdict | None:
        """Return the gate's verdict on a run; None if it has none."""
        row = self._one("select_run_verdict", dag_id=dag_id, run_id=run_id, repeat=repeat)
        return None if row is None or row["verdict"] is None else Verdict.model_validate_json(row["verdict"])

    def newest_verdict(self, dag_id: str, run_id: str) -> Verdict | None:
        """Return the gate's verdict from the newest repeat of the run that has one."""
        row = self._one("select_newest_verdict", dag_id=dag_id, run_id=run_id)
        return None if row is None else Verdict.model_validate_json(row["verdict"])

    def open_runs(self, workload: str | None = None) -> list[Row]:
        """Return the runs that have not ended, oldest first."""
        return self._all("select_open_runs", workload=workload)

    def run_summary(self, dag_id: str | None = None, run_id: str | None = None, limit: int = 100) -> list[Row]:
        """Return rows of the public view run_summary, newest first. Unknown values are None."""
        return self._all("select_run_summary", dag_id=dag_id, run_id=run_id, row_limit=limit)

    def run_energy(self, dag_id: str, run_id: str) -> list[Row]:
        """Return rows of the view run_energy, one per repeat: active, idle and building joules, and meter readings."""
        return self._all("select_run_energy", dag_id=dag_id, run_id=run_id)

    def unmetered_runs(self) -> list[Row]:
        """Return up to 1000 runs that ended within the last day and have no reading from external meters."""
        return self._all("select_unmetered_runs", since=written(datetime.now(UTC) - timedelta(days=1)))

    def record_metered(self, dag_id: str, run_id: str, repeat: int, metered: MeteredJoules) -> None:
        """Store what external meters measured for a run; a later reading replaces it."""
        run = RunKey(dag_id, run_id, repeat)
        with self._database.write() as transaction:
            lock_run(transaction, run)
            transaction.execute("upsert_metered_run", **asdict(run), **metered.model_dump(), at=now())


def lock_run(transaction: Transaction, run: RunKey) -> Row:
    """Return the run's row, locked until the transaction ends. Raises BadInputError if open_run was never called."""
    row = transaction.one("lock_run", **asdict(run))
    if row is None:
        raise unknown_run(run)
    return row


def unknown_run(run: RunKey) -> BadInputError:
    """Return the error of a run that open_run was never called for."""
    return BadInputError(
        "the ledger does not know this run",
        where=f"{run.dag_id} / {run.run_id}, repeat {run.repeat}",
        rule="open_run comes first",
        remedy="trigger the run again",
    )


def refresh_figures(transaction: Transaction, run: RunKey) -> None:
    """Recompute the run's metrics and those of its day, after a change of any value that they derive from."""
    key = asdict(run)
    transaction.execute("refresh_run_figures", **key)
    row = transaction.one("lock_day", **key)
    if row is not None:
        following = date.fromisoformat(row["day"]) + timedelta(days=1)
        transaction.execute("refresh_day_figures", dag_id=run.dag_id, day=row["day"], next_day=following.isoformat())


def printable(text: str) -> str:
    """Replace what a database cannot store: NUL (PostgreSQL) and lone surrogates (both databases)."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
