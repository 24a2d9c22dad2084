"""Runs: entered, judged by the gate and finished."""

from datetime import UTC, date, datetime, timedelta
from typing import get_args

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.measurement import MeteredJoules
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.serving import Verdict
from millrace.contracts.workload import GatePolicy
from millrace.ledger import audit, datasets, stores
from millrace.ledger.database import Database, Row, Transaction, Value, now, written
from millrace.ledger.records import Actor, Decision, RunKey

TERMINAL_STATES = ("success", "failed", "skipped", "dry_run", "rejected", "rolled_back", "superseded")
_METRICS = get_args(GatePolicy.model_fields["metric"].annotation)


def open_run(
    database: Database,
    dag_id: str,
    run_id: str,
    *,
    workload: str,
    team: str,
    site: str,
    partition_first: date,
    partition_last: date,
    run_type: str,
    quality_metric: str,
    pue: float | None = None,
    generation: int = 1,
    source: str | None = None,
    triggered_by: str | None = None,
) -> int:
    """See Ledger.open_run."""
    if quality_metric not in _METRICS:
        raise BadInputError(
            f"unknown metric {quality_metric!r}", where=dag_id, rule=f"one of {_METRICS}", remedy="name one of them"
        )
    with database.write() as transaction:
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


def lock_run(transaction: Transaction, run: RunKey) -> Row:
    """Return the run's row, locked until the transaction ends. Raises BadInputError if open_run was never called."""
    row = transaction.one("lock_run", dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat)
    if row is None:
        raise BadInputError(
            "the ledger does not know this run",
            where=f"{run.dag_id} / {run.run_id}, repeat {run.repeat}",
            rule="open_run comes first",
            remedy="trigger the run again",
        )
    return row


def refresh_figures(transaction: Transaction, run: RunKey) -> None:
    """Recompute the run's metrics and those of its day, after a change of any value that they derive from."""
    key: dict[str, Value] = {"dag_id": run.dag_id, "run_id": run.run_id, "repeat": run.repeat}
    transaction.execute("refresh_run_figures", **key)
    row = transaction.one("lock_day", **key)
    if row is not None:
        following = date.fromisoformat(row["day"]) + timedelta(days=1)
        transaction.execute("refresh_day_figures", dag_id=run.dag_id, day=row["day"], next_day=following.isoformat())


def close_run(
    database: Database, run: RunKey, *, state: str, reason: str, decision: str | None, code: ReasonCode | None
) -> None:
    """See Ledger.close_run."""
    where = f"{run.dag_id} / {run.run_id}, repeat {run.repeat}"
    if state not in TERMINAL_STATES:
        raise BadInputError(
            f"{state!r} ends no run", where=where, rule=f"one of {TERMINAL_STATES}", remedy="give a terminal state"
        )
    reason = printable(reason).strip()
    if not reason:
        raise BadInputError("the reason is empty", where=where, rule="every end has a reason", remedy="say why")
    with database.write() as transaction:
        row = lock_run(transaction, run)
        closed = transaction.execute(
            "close_run",
            dag_id=run.dag_id,
            run_id=run.run_id,
            repeat=run.repeat,
            state=state,
            reason=reason,
            reason_code=code,
            decision=decision,
            at=now(),
        )
        stores.release_locks(transaction, run)
        if closed and state == "failed":
            datasets.give_up(transaction, run, row, reason)
        refresh_figures(transaction, run)


def record_verdict(database: Database, run: RunKey, verdict: Verdict) -> None:
    """See Ledger.record_verdict."""
    with database.write() as transaction:
        lock_run(transaction, run)
        transaction.execute(
            "update_run_verdict",
            dag_id=run.dag_id,
            run_id=run.run_id,
            repeat=run.repeat,
            verdict=verdict.model_dump_json(),
            decision=verdict.outcome,
        )


def verdict(database: Database, run: RunKey) -> Verdict | None:
    """See Ledger.verdict."""
    with database.read() as transaction:
        row = transaction.one("select_run_verdict", dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat)
    return None if row is None or row["verdict"] is None else Verdict.model_validate_json(row["verdict"])


def newest_verdict(database: Database, dag_id: str, run_id: str) -> Verdict | None:
    """See Ledger.newest_verdict."""
    with database.read() as transaction:
        row = transaction.one("select_newest_verdict", dag_id=dag_id, run_id=run_id)
    return None if row is None else Verdict.model_validate_json(row["verdict"])


def unmetered(database: Database) -> list[Row]:
    """See Ledger.unmetered_runs."""
    since = written(datetime.now(UTC) - timedelta(days=1))
    with database.read() as transaction:
        return transaction.all("select_unmetered_runs", since=since)


def record_metered(database: Database, run: RunKey, metered: MeteredJoules) -> None:
    """See Ledger.record_metered."""
    key: dict[str, Value] = {"dag_id": run.dag_id, "run_id": run.run_id, "repeat": run.repeat}
    with database.write() as transaction:
        lock_run(transaction, run)
        transaction.execute("upsert_metered_run", **key, **metered.model_dump(), at=now())


def printable(text: str) -> str:
    """Replace what a database cannot store: NUL (PostgreSQL) and lone surrogates (both databases)."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
