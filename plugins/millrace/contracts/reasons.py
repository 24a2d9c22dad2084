"""Reasons for the end of an attempt or a run: a code for decisions and a text for people."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args


class ReasonCode(StrEnum):
    """Why an attempt or a run ended. Decisions and monitors use the code; no decision depends on a text.

    The ledger stores a member's value, so the value never changes.
    """

    # codes that a step may report itself (see runs.report_claims)
    DONE = "done"
    NO_NEW_DATA = "no_new_data"
    BAD_INPUT = "bad_input"
    TRANSIENT = "transient"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DEVICE_MEMORY = "out_of_device_memory"
    UNFORESEEN = "unforeseen"

    # decided before a step begins
    REFUSED_PARAMETERS = "refused_parameters"
    DRY_RUN = "dry_run"
    TRAINING_OFF = "training_off"
    NOT_NEWEST = "not_newest"
    OVER_BUDGET = "over_budget"
    OVER_TEAM_BUDGET = "over_team_budget"
    OVER_POWER_CAP = "over_power_cap"

    # decided about a candidate
    GATE_REJECTED = "gate_rejected"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    SUPERSEDED = "superseded"
    ROLLOUT_REVERTED = "rollout_reverted"

    # how a process ended without a report, or without a valid one
    LOST = "lost"
    DISRUPTED = "disrupted"
    NOT_STARTED = "not_started"
    REPORT_REFUSED = "report_refused"

    # actions in Airflow, by a user or by Airflow itself
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    DEADLOCKED = "deadlocked"
    MARKED = "marked"
    RUN_DELETED = "run_deleted"
    BACKFILL_CANCELLED = "backfill_cancelled"

    UNEXPLAINED = "unexplained"


EndState = Literal["success", "failed", "skipped", "dry_run", "rejected", "rolled_back", "superseded"]
TERMINAL_STATES: tuple[EndState, ...] = get_args(EndState)


@dataclass(frozen=True)
class Reason:
    """A text for people and its code; the code is None in reports from before codes existed."""

    text: str
    code: ReasonCode | None = None
