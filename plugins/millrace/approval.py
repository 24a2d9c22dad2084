"""Asks a person in Airflow's own way: the task waits in ``awaiting_input``, with no process and no trigger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from airflow.sdk import Context
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

APPROVE, APPROVE_REST, REJECT = "Approve", "Approve the rest", "Reject"
APPROVAL_TIMEOUT = timedelta(hours=24)


@dataclass(frozen=True)
class Question:
    """What a person decides; nobody's answer within 24 h is "Reject". ``about`` is why it is asked."""

    subject: str
    about: str
    body: str
    options: tuple[str, ...] = (APPROVE, REJECT)


def ask(question: Question, context: Context, method: str, **kwargs: Any) -> NoReturn:  # noqa: ANN401 - what JSON holds
    """Park the task; Airflow calls its operator's ``method`` with ``kwargs`` and the answer as ``event``."""
    upsert_hitl_detail(
        ti_id=context["ti"].id,
        options=list(question.options),
        defaults=[REJECT],
        params={},
        subject=question.subject,
        body=question.body,
    )
    raise TaskAwaitingInput(method_name=method, kwargs=kwargs, timeout=APPROVAL_TIMEOUT)


def by_whom(event: Mapping[str, Any]) -> str:
    """Who answered."""
    if event.get("timedout"):
        return f"nobody answered within {APPROVAL_TIMEOUT.total_seconds() / 3600:g} h"
    user = event.get("responded_by_user") or {}
    return f"by {user.get('name') or user.get('id') or 'a person'}"
