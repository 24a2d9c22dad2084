"""Budgets of a backfill and of a team: what a run is predicted to take is reserved before it is spent."""

import logging

from millrace.contracts.reasons import ReasonCode
from millrace.ledger.audit import once_for
from millrace.ledger.records import Actor, BudgetClaim, Decision, Reserved
from millrace.policies.reservation import Need
from millrace.policies.ruling import APPROVE, APPROVE_REST, REJECT, Allow, ApprovalRequest, Ruling, Skip
from millrace.sizing.backfill import KWH, in_unit, rates

_log = logging.getLogger(__name__)


class BackfillBudget:
    """The budget that the run's parameters name; over it, a person is asked."""

    def claim(self, need: Need) -> BudgetClaim | None:
        """Return the run's predicted spending; None without a budget or data."""
        name = need.admission.run.parameters.budget
        if name is None or need.is_nothing:
            return None
        units = {KWH: "kwh"} | ({need.price.currency: "money"} if need.price.currency else {})
        return BudgetClaim("backfill", name, need.spending, units=units)

    def ruling(self, need: Need, reserved: Reserved) -> Ruling:
        """Return an ApprovalRequest if the budget does not hold. Raises BadInputError without a price in its unit."""
        if reserved.held or reserved.budget is None:
            return Allow()
        run, budget = need.admission.run, reserved.budget
        predicted = in_unit(need.price, budget.unit).p50
        spent = reserved.spent.kwh if budget.unit == KWH else reserved.spent.money or 0.0
        about = (
            f"the backfill's budget of {budget.amount:,.4g} {budget.unit} does not hold this run's {predicted:,.4g}: "
            f"its other runs take {spent:,.4g}, and the whole was priced {budget.predicted:,.4g}"
        )
        return ApprovalRequest(
            subject=f"Shall {run.run_id} of {run.dag_id} go past its backfill's budget?",
            about=about,
            body=f"{about}.\n\n{APPROVE} lets this run go on to its end, {APPROVE_REST} also every run that has not "
            f"asked yet. {REJECT} ends this run; so does no answer in 24 hours.",
            options=(APPROVE, APPROVE_REST, REJECT),
            code=ReasonCode.OVER_BUDGET,
        )


class TeamBudget:
    """The budget of the run's team for the month in which the run began.

    Over it, the catalogue's budget action decides: warn, ask a person, or refuse.
    """

    def claim(self, need: Need) -> BudgetClaim | None:
        """Return the run's predicted spending; None without a budget or data."""
        run, settings, site = need.admission.run, need.admission.settings, need.admission.site
        budget = settings.team_budget(run.workload.team)
        if budget is None or need.is_nothing:
            return None
        if budget.money:
            in_unit(need.price, site.currency or "money")  # raises without a price in money
        hardware = settings.hardware(run.parameters.hardware)
        return BudgetClaim(
            "team",
            run.workload.team,
            need.spending,
            limits=budget.limits,
            gpus=hardware.gpus * run.parameters.workers if need.plan else 0.0,
            site=settings.site,
            rates=rates(site.currency or "", hardware, site),
            lets_past=budget.action == "warn",
        )

    def ruling(self, need: Need, reserved: Reserved) -> Ruling:
        """Return what the budget's action says if the budget does not hold."""
        admission, run = need.admission, need.admission.run
        budget = admission.settings.team_budget(run.workload.team)
        warns = budget is not None and budget.action == "warn"
        if budget is None or not reserved.past or (reserved.held and not warns):
            return Allow()
        units = {"kwh": "kWh", "gpu_hours": "GPU-hours", "money": admission.site.currency}
        taken, needed, limits = vars(reserved.spent), vars(need.spending), budget.limits
        excesses = [
            f"of {limits[unit]:,.4g} {units[unit]} the month's other runs take {taken[unit]:,.4g}, this one "
            f"{needed[unit]:,.4g}"
            for unit in reserved.past
        ]
        about = f"the team's budget, {budget.name}, does not hold this run: {'; '.join(excesses)}"
        if warns:
            _log.warning("%s", about)
            return Allow()
        if budget.action == "refuse":
            subject = f"budget of team {run.workload.team}"
            once = once_for(admission.key, "refused", subject)
            effect = "the run's steps are skipped"
            refused = Decision("budget", subject, Actor.of(admission.key), about, effect, "refused", once=once)
            admission.ledger.record_decision(refused)
            return Skip(f"{about}; refused", ReasonCode.OVER_TEAM_BUDGET)
        return ApprovalRequest(
            subject=f"Shall {run.run_id} of {run.dag_id} go past the budget of team {budget.name}?",
            about=about,
            body=f"{about}.\n\n{APPROVE} lets this run go on to its end. {REJECT} ends it; so does no answer in 24 "
            "hours.",
            code=ReasonCode.OVER_TEAM_BUDGET,
        )
