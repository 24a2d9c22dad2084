"""Admission: checks that run before a step requests any resources; they allow, defer, ask a person or refuse."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from math import inf, isinf
from typing import Any

from airflow.sdk import Context

from millrace.contracts.errors import RefusedError, TransientError
from millrace.contracts.plan import Plan
from millrace.contracts.reasons import Reason, ReasonCode
from millrace.ledger.audit import once_for
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision, RunKey, Spending
from millrace.orchestration.approval import APPROVE, APPROVE_REST, REJECT, ApprovalRequest, by_whom, decision
from millrace.orchestration.attempts import Skipped
from millrace.orchestration.other_runs import later_in_flight, later_states
from millrace.planning.run_plan import price_run
from millrace.runs import step_specs
from millrace.runs.run import Run
from millrace.settings import load_settings
from millrace.sizing.backfill import KWH, in_unit, rates
from millrace.storage.probe import probe

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Defer:
    """Defer the step until ``until``, then call its admission again; ``about`` is the reason."""

    until: datetime
    about: str


# None allows the step; the answer to an ApprovalRequest goes to ``answered``, and an approval repeats the admission
Admission = Callable[[Run, Ledger, Context], ApprovalRequest | Defer | None]

_WAIT_SECONDS = 600
_LOOK_SECONDS = 2
_POWER_LOOK = timedelta(minutes=1)
_POWER_PATIENCE = timedelta(hours=24)


def always_allowed(run: Run, ledger: Ledger, context: Context) -> ApprovalRequest | None:
    """Allow every run."""
    return None


def sole_committer(run: Run, ledger: Ledger, context: Context) -> ApprovalRequest | None:
    """Take the dataset's commit lock if the store has no exclusive writes: one run at a time commits to a dataset.

    Probes a store that was never probed. Raises TransientError if another run holds the lock for ten minutes.
    """
    traits = ledger.store(run.store)
    if traits is None:
        traits = probe(run.store)
        ledger.record_store(traits)
    if traits.exclusive:
        return None
    deadline = time.monotonic() + _WAIT_SECONDS
    while not ledger.take_commit_lock(run.dag_id, run.run_id, run.repeat, run.dataset_uri):
        if time.monotonic() > deadline:
            raise TransientError(
                "another run is committing to the dataset",
                where=run.dataset_uri,
                rule="one at a time, in a store where nothing is exclusive",
                remedy="the task is retried; `python -m millrace probe-storage` says what the store does",
            )
        time.sleep(_LOOK_SECONDS)
    return None


def data_within_budget(run: Run, ledger: Ledger, context: Context) -> ApprovalRequest | None:
    """Take the predicted cost of the run's data steps from its backfill's budget and its team's.

    Over the backfill's budget, return an ApprovalRequest. Over the team's, do what the catalogue's budget action says:
    warn, return an ApprovalRequest, or raise Skipped ("refuse").
    """
    return _within_budget(run, ledger, None) or _within_team(run, ledger, None)


def may_train(run: Run, ledger: Ledger, context: Context) -> ApprovalRequest | None:
    """Check ``newest_run``, then take the plan's predicted cost from both budgets.

    Raises RefusedError if the training alone draws more than the site's power cap.
    """
    newest_run(run, ledger, context)
    return _may_train(run, ledger, step_specs.planned(run, ledger))


def _may_train(run: Run, ledger: Ledger, plan: Plan) -> ApprovalRequest | None:
    watts, cap = _watts(plan)
    if watts > cap:
        raise RefusedError(
            f"the training draws {watts:,.0f} W, and the site may draw {cap:,.0f} W",
            where=f"{run.dag_id} / {run.run_id}, on {plan.hardware.name}",
            rule="power_cap_watts of the site, held against the P90 of the training's planned watts",
            remedy="ask for fewer workers or other hardware, or raise the cap in the catalogue",
            code=ReasonCode.OVER_POWER_CAP,
        )
    return _within_budget(run, ledger, plan) or _within_team(run, ledger, plan)


def may_begin_training(run: Run, ledger: Ledger, context: Context) -> ApprovalRequest | Defer | None:
    """Check ``may_train``, then claim the training's watts under the site's power cap, first come, first served.

    Returns a Defer of one minute while the watts are taken. Raises RefusedError if they are not available by the
    deadline of the workload's start policy or, without a policy, within 24 hours.
    """
    newest_run(run, ledger, context)
    plan = step_specs.planned(run, ledger)
    request = _may_train(run, ledger, plan)
    watts, cap = _watts(plan)
    if request is not None or isinf(cap):
        return request
    site = load_settings().site
    # each attempt renews the claim; a restart within an attempt does not
    lasts = run.workload.step_timeout * (run.workload.retries + 1)
    claim = ledger.claim_power(run.dag_id, run.run_id, run.repeat, site, watts=watts, cap_watts=cap, lasts=lasts)
    if claim.taken:
        return None
    about = (
        f"{claim.drawn_watts:,.0f} W of the {cap:,.0f} W of site {site} are taken, this training draws {watts:,.0f} W"
    )
    about += f", and {claim.ahead} that asked earlier wait too" if claim.ahead else ""
    start, now = plan.start, datetime.now(UTC)
    if now >= (start.deadline if start else claim.asked_at + _POWER_PATIENCE):
        raise RefusedError(
            f"no watts for the training: {about}",
            where=f"{run.dag_id} / {run.run_id}, site {site}",
            rule="the site's power_cap_watts, until the deadline of the workload's policy, or for 24 hours",
            remedy="trigger it again when less is trained, or raise the cap in the catalogue",
            code=ReasonCode.OVER_POWER_CAP,
        )
    return Defer(now + _POWER_LOOK, about)


def answer(run: Run, event: Mapping[str, Any], why: Reason) -> Decision:
    """Return the audit's entry for a person's answer to an admission ApprovalRequest."""
    of_team = why.code is ReasonCode.OVER_TEAM_BUDGET
    subject = f"budget of team {run.workload.team}" if of_team else f"budget {run.parameters.budget}"
    return decision(RunKey(run.dag_id, run.run_id, run.repeat), subject, event, why.text)


def answered(run: Run, ledger: Ledger, event: Mapping[str, Any], why: Reason) -> None:
    """Record a person's answer: an approval of this run or, with "Approve the rest", also of the backfill's later runs.

    Raises Skipped after a rejection or a timeout; the next run over the budget asks again.
    """
    chosen, given = event.get("chosen_options"), answer(run, event, why)
    if why.code is ReasonCode.OVER_TEAM_BUDGET and chosen == [APPROVE]:
        ledger.approve_team_spending(run.dag_id, run.run_id, run.repeat, by_whom(event), given)
        return
    if not run.parameters.budget or chosen not in ([APPROVE], [APPROVE_REST]):
        ledger.record_decision(given)
        raise Skipped(f"{why.text}; not approved, {by_whom(event)}", why.code or ReasonCode.OVER_BUDGET)
    rest = chosen == [APPROVE_REST]
    ledger.approve_spending(
        run.dag_id, run.run_id, run.repeat, run.parameters.budget, by_whom(event), rest=rest, decision=given
    )


def _watts(plan: Plan) -> tuple[float, float]:
    """Return the training's P90 watts (0 for old plans, which have none) and the site's cap (infinite without one)."""
    cap = load_settings().site_rates().power_cap_watts
    return (plan.train_watts.p90 if plan.train_watts else 0.0), inf if cap is None else cap


def _within_budget(run: Run, ledger: Ledger, plan: Plan | None) -> ApprovalRequest | None:
    name = run.parameters.budget
    if name is None:
        return None
    price = price_run(run, plan, load_settings())
    if price.runs == price.without_data:
        return None
    budget = ledger.budget(run.dag_id, name)
    predicted = in_unit(price, budget.unit).p50
    spent = ledger.take_budget(run.dag_id, run.run_id, run.repeat, name, predicted)
    if spent is None:
        return None
    about = (
        f"the backfill's budget of {budget.amount:,.4g} {budget.unit} does not hold this run's {predicted:,.4g}: its "
        f"other runs take {spent:,.4g}, and the whole was priced {budget.predicted:,.4g}"
    )
    return ApprovalRequest(
        subject=f"Shall {run.run_id} of {run.dag_id} go past its backfill's budget?",
        about=about,
        body=f"{about}.\n\n{APPROVE} lets this run go on to its end, {APPROVE_REST} also every run that has not asked "
        f"yet. {REJECT} ends this run; so does no answer in 24 hours.",
        options=(APPROVE, APPROVE_REST, REJECT),
        code=ReasonCode.OVER_BUDGET,
    )


def _within_team(run: Run, ledger: Ledger, plan: Plan | None) -> ApprovalRequest | None:
    settings = load_settings()
    budget = settings.team_budget(run.workload.team)
    if budget is None:
        return None
    price, site = price_run(run, plan, settings), settings.site_rates()
    if price.runs == price.without_data:
        return None
    money = in_unit(price, site.currency or "money").p50 if budget.money or price.cost else None
    predicted = Spending(in_unit(price, KWH).p50, price.gpu_hours.p50, money)
    hardware = settings.hardware(run.parameters.hardware)
    spent = ledger.take_team_budget(
        run.dag_id, run.run_id, run.repeat, budget.limits, predicted,
        gpus=hardware.gpus * run.parameters.workers if plan else 0.0,
        rates=rates(site.currency or "", hardware, site),
        lets_past=budget.action == "warn",
    )  # fmt: skip
    if spent is None:
        return None
    units = {"kwh": "kWh", "gpu_hours": "GPU-hours", "money": site.currency}
    taken, needed = asdict(spent), asdict(predicted)
    excesses = [
        f"of {amount:,.4g} {units[unit]} the month's other runs take {taken[unit]:,.4g}, this one {needed[unit]:,.4g}"
        for unit, amount in budget.limits.items()
        if taken[unit] + needed[unit] > amount
    ]
    about = f"the team's budget, {budget.name}, does not hold this run: {'; '.join(excesses)}"
    if budget.action == "warn":
        _log.warning("%s", about)
        return None
    if budget.action == "refuse":
        by = Actor.of(RunKey(run.dag_id, run.run_id, run.repeat))
        subject = f"budget of team {run.workload.team}"
        once = once_for(by.run, "refused", subject) if by.run else None
        ledger.record_decision(
            Decision("budget", subject, by, about, "the run's steps are skipped", "refused", once=once)
        )
        raise Skipped(f"{about}; refused", ReasonCode.OVER_TEAM_BUDGET)
    return ApprovalRequest(
        subject=f"Shall {run.run_id} of {run.dag_id} go past the budget of team {budget.name}?",
        about=about,
        body=f"{about}.\n\n{APPROVE} lets this run go on to its end. {REJECT} ends it; so does no answer in 24 hours.",
        code=ReasonCode.OVER_TEAM_BUDGET,
    )


def newest_run(run: Run, ledger: Ledger, context: Context) -> None:
    """Raise Skipped, with a reason for the ledger, if the run is not to train.

    That is a dry run, a run with ``train`` "never", and, if newer data exists, a run with ``train`` "newest" or a
    backfill's run with ``train`` "auto".
    """
    if run.parameters.dry_run:
        raise Skipped("dry run: the plan is in the ledger, nothing is trained", ReasonCode.DRY_RUN)
    if run.parameters.train == "never":
        raise Skipped("asked not to train: the data is published", ReasonCode.TRAINING_OFF)
    newest_only = run.parameters.train == "newest" or (run.parameters.train == "auto" and run.run_type == "backfill")
    if newest_only and _newer_data(run, ledger, context):
        whose = "of a backfill " if run.run_type == "backfill" else ""
        raise Skipped(
            f"{whose}only the newest run trains, and newer data is there: this day's data is published",
            ReasonCode.NOT_NEWEST,
        )


def _newer_data(run: Run, ledger: Ledger, context: Context) -> bool:
    """Return whether a later day is staged or committed, or a backfill's run in flight may still publish one."""
    if {"staged", "committed"} & set(later_states(run, ledger).values()):
        return True
    return bool(later_in_flight(run, ledger, context))
