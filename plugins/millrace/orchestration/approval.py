"""Approval requests in Airflow: the task waits in the state ``awaiting_input``, without a process or trigger."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from millrace.contracts.errors import RefusedError
from millrace.contracts.workload import Workload
from millrace.ledger.audit import once_for
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision, RunKey
from millrace.policies.ruling import APPROVE, APPROVE_REST, REJECT, ApprovalRequest

_log = logging.getLogger(__name__)

APPROVAL_TIMEOUT = timedelta(hours=24)
GATE = "gate"
"""The audit's subject of answers to the gate's approval request."""


def ask(request: ApprovalRequest, context: Context, method: str, **kwargs: Any) -> NoReturn:  # noqa: ANN401 - JSON values
    """Make the task await input; Airflow then calls its operator's ``method`` with ``kwargs`` and the ``event``."""
    upsert_hitl_detail(
        ti_id=context["ti"].id,
        options=list(request.options),
        defaults=[REJECT],
        params={},
        subject=request.subject,
        body=request.body,
    )
    raise TaskAwaitingInput(method_name=method, kwargs=kwargs, timeout=APPROVAL_TIMEOUT)


def by_whom(event: Mapping[str, Any]) -> str:
    """Return a phrase that names the person who answered, or the timeout."""
    if event.get("timedout"):
        return f"nobody answered within {APPROVAL_TIMEOUT.total_seconds() / 3600:g} h"
    return f"by {_person(event)}"


def triggered_by(dag_run: Any) -> str | None:  # noqa: ANN401 - Airflow's own
    """Return the person who triggered Airflow's run; None if a schedule, an asset or another DAG did."""
    return getattr(dag_run, "triggering_user_name", None)


def decision(run: RunKey, subject: str, event: Mapping[str, Any], about: str) -> Decision:
    """Return the audit's entry for an answer to a run's approval request about a subject."""
    chosen = ", ".join(event.get("chosen_options") or ())
    at = event.get("responded_at")
    return Decision(
        "approve" if chosen in (APPROVE, APPROVE_REST) else "reject",
        subject,
        Actor("nobody", run) if event.get("timedout") else Actor(_person(event)),
        about,
        by_whom(event) if event.get("timedout") else f"the answer was {chosen!r}",
        run=run,
        once=once_for(run, "answer", subject, str(at), about) if at else None,
        at=at if isinstance(at, datetime) else None,
    )


def is_own(workload: Workload, dag_run: Any, given: Decision, ledger: Ledger) -> bool:  # noqa: ANN401 - Airflow's own
    """Return whether an answer does not count, because the workload wants two people and one person did both.

    That is an approval by the person who triggered the run. It is recorded as a refusal; the caller asks again.
    """
    own = given.by.is_person and given.by.name == triggered_by(dag_run)
    if not (own and given.action == "approve" and workload.approval.two_people):
        return False
    refused = same_person(given.by.name, f"{dag_run.dag_id} / {dag_run.run_id}", "answer its questions with yes")
    _log.warning("asks again: %s", refused)
    ledger.record_refusal(given, refused)
    return True


def same_person(name: str, where: str, what: str) -> RefusedError:
    """Return the error for a person who triggered a run and may not also do ``what``."""
    return RefusedError(
        f"{name} triggered the run, and may not {what}",
        where=where,
        rule="the workload's approval policy wants two people",
        remedy="ask somebody else, who may edit the DAG",
    )


def _person(event: Mapping[str, Any]) -> str:
    user = event.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or "a person")
