"""What runs reserve under limits: a backfill's budget, a team's budget of a month, and a site's watts."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from millrace.contracts.errors import BadInputError
from millrace.ledger import audit
from millrace.ledger.database import Row, Tables, Transaction, Value, now, written
from millrace.ledger.records import (
    SOMEBODY,
    Actor,
    Budget,
    BudgetClaim,
    Decision,
    PowerClaim,
    Reserved,
    RunKey,
    Scope,
    Spending,
)
from millrace.ledger.runs import unknown_run

# a run that has not renewed its claim of watts for this long no longer blocks later ones
_SEEN_WITHIN = timedelta(minutes=15)
_NOBODY, _NO_MONTH = RunKey("", "", -1), "0000-00"
_NOTHING: dict[str, Value] = dict.fromkeys(
    ("kwh", "gpu_hours", "money", "gpus", "watts", "past", "approved_by", "taken_until")
)


class Reservations(Tables):
    """Budgets, and what runs reserve of them and of a site's watts."""

    def record_budget(self, budget: Budget, by: Actor = SOMEBODY) -> None:
        """Store a budget. Raises RefusedError if its name is taken."""
        values = asdict(budget)
        values.pop("lifted_by")
        with self._database.write() as transaction:
            transaction.execute("insert_budget", **values, at=now())
            reason = f"a backfill that was priced {budget.predicted:,.4g} {budget.unit}"
            effect = f"its runs may take {budget.amount:,.4g} {budget.unit}"
            audit.append(transaction, Decision("budget", budget.name, by, reason, effect, dag_id=budget.dag_id))

    def reserve(
        self, dag_id: str, run_id: str, repeat: int, claims: Sequence[BudgetClaim | PowerClaim]
    ) -> list[Reserved]:
        """Reserve what a run claims, in this order, at most one claim of each scope; stop at the first that fails.

        A budget's claim holds if the budget covers it or a person approved it. Other runs take the measured amount
        after their end, before it the larger of prediction and measurement, so that two runs cannot both take the last
        of it. A backfill's budget covers nothing if the whole backfill was priced above it. A claim of watts holds if
        no earlier claim waits and the cap covers it; a repeated claim keeps it and restarts ``lasts``. Of concurrent
        claims no more hold than the limit covers. Raises BadInputError for an unknown budget or run.
        """
        run = RunKey(dag_id, run_id, repeat)
        with self._database.write() as transaction:
            # one order for all runs, so that there is no deadlock
            locks = sorted((claim.scope, claim.name) for claim in claims)
            transaction.execute_each("lock_limit", [{"scope": scope, "name": name} for scope, name in locks])
            # read the clock after the locks, so that times follow the order of the claims
            moment = datetime.now(UTC)
            row = _read(transaction, run, claims, moment)
            found: list[Reserved] = []
            rows: list[dict[str, Value]] = []
            for claim in claims:
                at_once = _power(claim, row, moment) if isinstance(claim, PowerClaim) else _budget(claim, row, run)
                found.append(at_once)
                rows += _rows(claim, at_once, run, moment)
                if not at_once.held:
                    break
            transaction.execute_each("upsert_reservation", rows)
            for claim, each in zip(claims, found, strict=False):
                if isinstance(claim, BudgetClaim) and claim.lets_past and each.past:  # the last lock of the transaction
                    once = audit.once_for(run, "went past", claim.name)
                    reason, effect = "the team's budget warns only", f"the run went past it, in {', '.join(each.past)}"
                    by = Actor.of(run)
                    audit.append(transaction, Decision("budget", f"team {claim.name}", by, reason, effect, once=once))
        return found

    def approve_spending(
        self, dag_id: str, run_id: str, repeat: int, scope: Scope, name: str, by: str, *, rest: bool = False,
        decision: Decision | None = None,
    ) -> None:  # fmt: skip
        """Approve that this run exceeds a budget, with ``rest`` every later run of its backfill; audit ``decision``."""
        run = RunKey(dag_id, run_id, repeat)
        with self._database.write() as transaction:
            if scope == "backfill" and not transaction.execute(
                "lift_budget", name=name, dag_id=run.dag_id, lifted_by=by if rest else None
            ):
                raise _unknown_budget(run.dag_id, name)
            row = {**_NOTHING, **asdict(run), "scope": scope, "name": name, "approved_by": by, "at": now()}
            transaction.execute("upsert_reservation", **row)
            if decision is not None:
                audit.append(transaction, decision)

    def team_spending(self, team: str, site: str, month: str, rates: tuple[float, float]) -> Spending:
        """Return what the team's runs that began in ``month`` (such as 2026-03) take at a site."""
        claim = BudgetClaim("team", team, Spending(0.0, 0.0, None), site=site, rates=rates)
        with self._database.read() as transaction:
            return _spending(_read(transaction, _NOBODY, [claim], datetime.now(UTC), month))


def backfill_spending(transaction: Transaction, name: str) -> float:
    """Return what all runs take of a backfill's budget, in its unit."""
    claim = BudgetClaim("backfill", name, Spending(0.0, 0.0, None))
    return float(_read(transaction, _NOBODY, [claim], datetime.now(UTC), _NO_MONTH)["spent"])


def _read(
    transaction: Transaction,
    run: RunKey,
    claims: Sequence[BudgetClaim | PowerClaim],
    moment: datetime,
    month: str | None = None,
) -> Row:
    """Return what other runs take of each claimed limit, and what this run has reserved of it."""
    names: dict[str, Value] = {"backfill": None, "team": None, "site": None}
    team: dict[str, Value] = {"team_site": None, "per_joule": 0.0, "per_second": 0.0}
    for claim in claims:
        names[claim.scope] = claim.name
        if isinstance(claim, BudgetClaim) and claim.scope == "team":
            team = {"team_site": claim.site, "per_joule": claim.rates[0], "per_second": claim.rates[1]}
    times = {"month": month, "at": written(moment), "seen_since": written(moment - _SEEN_WITHIN)}
    (row,) = transaction.all("select_reserved", **asdict(run), **names, **team, **times)
    if row["started_at"] is None and month is None:
        raise unknown_run(run)
    return row


def _budget(claim: BudgetClaim, row: Row, run: RunKey) -> Reserved:
    budget, spent, limits = None, _spending(row), claim.limits
    if claim.scope == "backfill":
        if row["amount"] is None:
            raise _unknown_budget(run.dag_id, claim.name)
        of_budget = ("amount", "unit", "predicted", "per_joule", "per_second", "lifted_by")
        budget = Budget(name=claim.name, dag_id=run.dag_id, **{name: row[name] for name in of_budget})
        unit = claim.units.get(budget.unit)
        if unit is None:
            return Reserved(False, spent, budget=budget)
        spent = replace(Spending(0.0, 0.0, None), **{unit: float(row["spent"])})
        limits = {unit: budget.amount}
    past = tuple(unit for unit, amount in limits.items() if _of(spent, unit) + _of(claim.predicted, unit) > amount)
    holds = not past and (budget is None or budget.predicted <= budget.amount)
    approved = row[f"{claim.scope}_approved_by"] or (budget and budget.lifted_by)
    held = bool(holds or approved or claim.lets_past)
    return Reserved(held, spent, past, budget)


def _power(claim: PowerClaim, row: Row, moment: datetime) -> Reserved:
    fits = not row["ahead"] and row["watts"] + claim.watts <= claim.cap_watts
    has_it = row["taken_until"] is not None and row["taken_until"] > written(moment)
    asked_at = datetime.fromisoformat(row["asked_at"]) if row["asked_at"] else moment
    return Reserved(has_it or fits, drawn_watts=float(row["watts"]), ahead=int(row["ahead"]), asked_at=asked_at)


def _rows(claim: BudgetClaim | PowerClaim, found: Reserved, run: RunKey, moment: datetime) -> list[dict[str, Value]]:
    """Return the row to write; none for a budget that is not held, since only watts have a queue."""
    row = {**_NOTHING, **asdict(run), "scope": claim.scope, "name": claim.name, "at": written(moment)}
    if isinstance(claim, PowerClaim):
        until = written(moment + claim.lasts) if found.held else None
        return [{**row, "watts": claim.watts, "taken_until": until}]
    past = ", ".join(found.past) or None
    return [{**row, **asdict(claim.predicted), "gpus": claim.gpus, "past": past}] if found.held else []


def _spending(row: Row) -> Spending:
    return Spending(float(row["kwh"]), float(row["gpu_hours"]), float(row["money"]))


def _of(spending: Spending, unit: str) -> float:
    return float(getattr(spending, unit) or 0.0)


def _unknown_budget(dag_id: str, name: str) -> BadInputError:
    return BadInputError(
        f"there is no budget {name!r}",
        where=f"{dag_id}, parameter budget",
        rule="a budget that price-backfill recorded for this DAG, in this ledger",
        remedy="create the backfill by the line that `python -m millrace price-backfill --budget` prints",
    )
