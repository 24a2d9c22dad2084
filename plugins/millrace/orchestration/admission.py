"""Carries out in Airflow what policies rule on a task: it starts, is skipped, is deferred or asks a person."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from airflow.sdk import Context

from millrace.contracts.reasons import Reason, ReasonCode
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Decision, RunKey
from millrace.orchestration.approval import by_whom, decision
from millrace.orchestration.attempts import Skipped
from millrace.orchestration.other_runs import later_in_flight
from millrace.policies.ruling import APPROVE, APPROVE_REST, Admission
from millrace.runs.run import Run
from millrace.settings import Settings


def admission(
    run: Run, ledger: Ledger, settings: Settings, context: Context, deferred_since: datetime | None = None
) -> Admission:
    """Return the admission of this context's task."""
    return Admission(run, ledger, settings, partial(later_in_flight, run, ledger, context), deferred_since)


def answer(run: Run, event: Mapping[str, Any], why: Reason) -> Decision:
    """Return the audit's entry for a person's answer to an approval request about a budget."""
    of_team = why.code is ReasonCode.OVER_TEAM_BUDGET
    subject = f"budget of team {run.workload.team}" if of_team else f"budget {run.parameters.budget}"
    return decision(RunKey(run.dag_id, run.run_id, run.repeat), subject, event, why.text)


def answered(run: Run, ledger: Ledger, event: Mapping[str, Any], why: Reason) -> None:
    """Record a person's answer: an approval of this run or, with "Approve the rest", also of the backfill's later runs.

    Raises Skipped after a rejection or a timeout; the next run over the budget asks again.
    """
    chosen, given, key = event.get("chosen_options"), answer(run, event, why), (run.dag_id, run.run_id, run.repeat)
    if why.code is ReasonCode.OVER_TEAM_BUDGET and chosen == [APPROVE]:
        ledger.approve_spending(*key, "team", run.workload.team, by_whom(event), decision=given)
        return
    if not run.parameters.budget or chosen not in ([APPROVE], [APPROVE_REST]):
        ledger.record_decision(given)
        raise Skipped(f"{why.text}; not approved, {by_whom(event)}", why.code or ReasonCode.OVER_BUDGET)
    rest = chosen == [APPROVE_REST]
    ledger.approve_spending(*key, "backfill", run.parameters.budget, by_whom(event), rest=rest, decision=given)
