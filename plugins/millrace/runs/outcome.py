"""Derive a run's outcome from its tasks' states and its attempts' reason codes, never from texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from millrace.contracts.reasons import EndState, Reason, ReasonCode

# a run whose training is skipped is a success: it has published its data
_SKIPPED: dict[str, EndState] = {
    "plan_ingest": "skipped", "ingest": "skipped", "validate": "skipped", "await_start": "success", "train": "success",
}  # fmt: skip
# reason codes that take precedence over the states in _SKIPPED
_BY_CODE: dict[ReasonCode | None, EndState] = {
    ReasonCode.DRY_RUN: "dry_run",
    ReasonCode.OVER_BUDGET: "rejected",
    ReasonCode.OVER_TEAM_BUDGET: "rejected",
}


@dataclass(frozen=True)
class RunOutcome:
    """The outcome of a run: its terminal state, the reason as non-empty text, and the reason's code."""

    state: EndState
    reason: str
    code: ReasonCode | None

    @classmethod
    def of(cls, state: EndState, why: Reason) -> "RunOutcome":
        """Return the outcome with this state and reason."""
        return cls(state, why.text, why.code)


_MAPPED = re.compile(r"_\d+\Z")
# the first of these states that any instance of a mapped task has is the task's state
_FIRST = ("failed", "upstream_failed", "success", "skipped")


def by_task(states: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return one state for each task; Airflow's ``states`` has one for each mapped task instance (``ingest_0``).

    A mapped task is failed if any instance is. Instances that the last expansion no longer has do not count.
    """
    parts: dict[str, list[str | None]] = {}
    for name, state in states.items():
        if state != "removed":
            parts.setdefault(_MAPPED.sub("", name), []).append(state)
    return {task: next((state for state in _FIRST if state in found), found[0]) for task, found in parts.items()}


def run_outcome(states: Mapping[str, str | None], reasons: Mapping[str, Reason]) -> RunOutcome:
    """Return the run's outcome.

    ``states`` are Airflow's, by task; ``reasons`` are the newest reasons of attempts in the ledger, by task.
    """

    def why(task: str, otherwise: str, code: ReasonCode) -> Reason:
        found = reasons.get(task)
        if found is None or found.code is ReasonCode.DONE:
            return Reason(otherwise, code)
        return Reason(found.text, found.code or code)

    failed = [task for task, state in states.items() if state == "failed"]
    if "watch" in failed or "roll_out" in failed:
        task = "watch" if "watch" in failed else "roll_out"
        return RunOutcome.of(
            "rolled_back", why(task, f"{task} failed; the old version answers", ReasonCode.ROLLOUT_REVERTED)
        )
    if failed:
        found = why(failed[0], "it ended before Millrace could say why; the task's log does", ReasonCode.UNEXPLAINED)
        return RunOutcome("failed", f"{failed[0]}: {found.text}", found.code)
    for task, state in _SKIPPED.items():
        if states.get(task) == "skipped":
            found = why(task, f"{task} was skipped", ReasonCode.MARKED)
            return RunOutcome.of(_BY_CODE.get(found.code, state), found)
    if states.get("roll_out") == "skipped":
        return _not_rolled_out(states, reasons, why("gate", _BY_HAND, ReasonCode.MARKED))
    if states.get("watch") == "success":
        return RunOutcome.of("success", why("watch", "the new version is live", ReasonCode.DONE))
    return unaccounted(states)


_BY_HAND = "the candidate was not rolled out: a person skipped it"


def _not_rolled_out(states: Mapping[str, str | None], reasons: Mapping[str, Reason], by_gate: Reason) -> RunOutcome:
    own, answer = reasons.get("roll_out"), reasons.get("approve")
    if own is not None and own.code is ReasonCode.SUPERSEDED:
        return RunOutcome.of("superseded", own)
    if states.get("approve") == "success":
        code = answer.code if answer and answer.code else ReasonCode.APPROVAL_REJECTED
        return RunOutcome("rejected", "a person, or nobody in 24 h, approved it: the old version stays", code)
    return RunOutcome.of("rejected", by_gate)


def unaccounted(states: Mapping[str, str | None]) -> RunOutcome:
    """Return the outcome of a run whose tasks' states explain no end: failed, "unexplained"."""
    text = f"the run ended without an outcome; its tasks are {dict(states)}"
    return RunOutcome("failed", text, ReasonCode.UNEXPLAINED)
