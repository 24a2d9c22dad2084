"""Reserves what a run will take under several limits, in one transaction of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from millrace.contracts.plan import Plan
from millrace.ledger.records import BudgetClaim, PowerClaim, Reserved, Spending
from millrace.planning.run_plan import price_run
from millrace.policies.ruling import Admission, Allow, Policy, Ruling
from millrace.sizing.backfill import KWH, BackfillPrice, in_unit


@dataclass(frozen=True)
class Need:
    """What a run is predicted to take: with a plan in all, without one for its data steps."""

    admission: Admission
    plan: Plan | None

    @cached_property
    def price(self) -> BackfillPrice:
        """The price of the run, computed once for all limits."""
        return price_run(self.admission.run, self.plan, self.admission.settings)

    @property
    def is_nothing(self) -> bool:
        """Whether no day of the run has arrivals."""
        return self.price.runs == self.price.without_data

    @property
    def spending(self) -> Spending:
        """The price in the terms of budgets."""
        cost = self.price.cost
        return Spending(in_unit(self.price, KWH).p50, self.price.gpu_hours.p50, cost.p50 if cost else None)


class Limit(Protocol):
    """A limit under which a run reserves what it needs."""

    def claim(self, need: Need) -> BudgetClaim | PowerClaim | None:
        """Return what the run reserves; None if the limit is not in force for it."""

    def ruling(self, need: Need, reserved: Reserved) -> Ruling:
        """Return the ruling on a claim of this limit; Allow if it holds."""


def reserve(limits: Sequence[Limit], *, of_plan: bool = True) -> Policy:
    """Return the policy that reserves a run's need under each limit; the first ruling other than Allow counts."""

    def ruling(admission: Admission) -> Ruling:
        need = Need(admission, admission.plan if of_plan else None)
        claims = [(limit, claim) for limit in limits if (claim := limit.claim(need)) is not None]
        if not claims:
            return Allow()
        run = admission.run
        found = admission.ledger.reserve(run.dag_id, run.run_id, run.repeat, [claim for _, claim in claims])
        rulings = [limit.ruling(need, each) for (limit, _), each in zip(claims, found, strict=False)]
        return next((each for each in rulings if not isinstance(each, Allow)), Allow())

    return ruling
