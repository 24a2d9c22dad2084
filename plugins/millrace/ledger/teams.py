"""Team budgets: the total that a team's runs which began in one month may take."""

from collections.abc import Mapping
from dataclasses import asdict

from millrace.ledger import audit
from millrace.ledger.database import Database, Transaction, now
from millrace.ledger.records import Actor, Decision, RunKey, Spending
from millrace.ledger.runs import lock_run


def take(
    database: Database,
    run: RunKey,
    limits: Mapping[str, float],
    predicted: Spending,
    *,
    gpus: float,
    rates: tuple[float, float],
    lets_past: bool,
) -> Spending | None:
    """See Ledger.take_team_budget."""
    with database.write() as transaction:
        team, site, month = _lock(transaction, run)
        spent = _spent(transaction, team, site, month, rates, run)
        past = ", ".join(unit for unit in limits if _of(spent, unit) + _of(predicted, unit) > limits[unit])
        before = transaction.one("select_team_run", **asdict(run))
        if past and not lets_past and not (before and before["approved_by"]):
            return spent
        _put(transaction, run, predicted, gpus, past=past or None)
        if past and lets_past:
            once = audit.once_for(run, "went past", team)
            reason, effect = "the team's budget warns only", f"the run went past it, in {past}"
            audit.append(transaction, Decision("budget", f"team {team}", Actor.of(run), reason, effect, once=once))
        return spent if past and lets_past else None


def approve(database: Database, run: RunKey, by: str, decision: Decision | None) -> None:
    """See Ledger.approve_team_spending."""
    with database.write() as transaction:
        _lock(transaction, run)
        _put(transaction, run, Spending(0.0, 0.0, 0.0), 0.0, approved_by=by)
        if decision is not None:
            audit.append(transaction, decision)


def spent(database: Database, team: str, site: str, month: str, rates: tuple[float, float]) -> Spending:
    """See Ledger.team_spending."""
    with database.read() as transaction:
        return _spent(transaction, team, site, month, rates, RunKey("", "", -1))


def _lock(transaction: Transaction, run: RunKey) -> tuple[str, str, str]:
    """Return the run's team, site and month, and lock the team until the transaction ends."""
    row = lock_run(transaction, run)
    transaction.execute("lock_team", team=row["team"])
    return row["team"], row["site"], row["started_at"][:7]


def _spent(
    transaction: Transaction, team: str, site: str, month: str, rates: tuple[float, float], without: RunKey
) -> Spending:
    year, number = divmod(int(month[:4]) * 12 + int(month[5:]), 12)
    (row,) = transaction.all(
        "select_team_spent",
        **asdict(without),
        team=team,
        site=site,
        since=f"{month}-01",
        until=f"{year:04}-{number + 1:02}-01",
        per_joule=rates[0],
        per_second=rates[1],
    )
    return Spending(**{unit: float(value) for unit, value in row.items()})


def _of(spending: Spending, unit: str) -> float:
    return float(getattr(spending, unit) or 0.0)


def _put(
    transaction: Transaction,
    run: RunKey,
    predicted: Spending,
    gpus: float,
    past: str | None = None,
    approved_by: str | None = None,
) -> None:
    given = {**asdict(run), **asdict(predicted)}
    transaction.execute("upsert_team_run", **given, gpus=gpus, past=past, approved_by=approved_by, at=now())
