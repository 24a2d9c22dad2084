"""Budgets: the total that the runs of one backfill may spend."""

from dataclasses import asdict

from millrace.contracts.errors import BadInputError
from millrace.ledger import audit
from millrace.ledger.database import Database, Row, Transaction, now
from millrace.ledger.records import Actor, Budget, Decision, RunKey


def record(database: Database, budget: Budget, by: Actor) -> None:
    """See Ledger.record_budget."""
    values = asdict(budget)
    values.pop("lifted_by")
    with database.write() as transaction:
        transaction.execute("insert_budget", **values, at=now())
        reason = f"a backfill that was priced {budget.predicted:,.4g} {budget.unit}"
        effect = f"its runs may take {budget.amount:,.4g} {budget.unit}"
        audit.append(transaction, Decision("budget", budget.name, by, reason, effect, dag_id=budget.dag_id))


def find(database: Database, dag_id: str, name: str) -> Budget:
    """See Ledger.budget."""
    with database.read() as transaction:
        row = transaction.one("select_budget", name=name, dag_id=dag_id)
    return _found(row, dag_id, name)


def take(database: Database, run: RunKey, name: str, predicted: float) -> float | None:
    """See Ledger.take_budget."""
    with database.write() as transaction:
        budget = _lock(transaction, run, name)
        (row,) = transaction.all("select_budget_spent", **_key(run, name))
        before = transaction.one("select_budget_run", **_key(run, name))
        holds = row["spent"] + predicted <= budget.amount and budget.predicted <= budget.amount
        if holds or budget.lifted_by or (before and before["approved_by"]):
            _put(transaction, run, name, predicted)
            return None
        return float(row["spent"])


def approve(database: Database, run: RunKey, name: str, by: str, *, rest: bool, decision: Decision | None) -> None:
    """See Ledger.approve_spending."""
    with database.write() as transaction:
        _lock(transaction, run, name, lifted_by=by if rest else None)
        before: Row = transaction.one("select_budget_run", **_key(run, name)) or {"predicted": 0.0}
        _put(transaction, run, name, before["predicted"], approved_by=by)
        if decision is not None:
            audit.append(transaction, decision)


def _key(run: RunKey, name: str) -> dict[str, str | int]:
    return {"budget": name, "dag_id": run.dag_id, "run_id": run.run_id, "repeat": run.repeat}


def _put(transaction: Transaction, run: RunKey, name: str, predicted: float, approved_by: str | None = None) -> None:
    transaction.execute("upsert_budget_run", **_key(run, name), predicted=predicted, approved_by=approved_by, at=now())


def _lock(transaction: Transaction, run: RunKey, name: str, lifted_by: str | None = None) -> Budget:
    row = transaction.one("lock_budget", name=name, dag_id=run.dag_id, lifted_by=lifted_by)
    return _found(row, run.dag_id, name)


def _found(row: Row | None, dag_id: str, name: str) -> Budget:
    if row is None:
        raise BadInputError(
            f"there is no budget {name!r}",
            where=f"{dag_id}, parameter budget",
            rule="a budget that price-backfill recorded for this DAG, in this ledger",
            remedy="create the backfill by the line that `python -m millrace price-backfill --budget` prints",
        )
    return Budget(**row)
