"""Why a try or a run ended, as a code that decides and a text that explains."""

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """Why a try or a run ended. Code decides by it, monitors count by it; no text decides anything.

    A member is kept in the ledger by its value, and so keeps it.
    """

    # what a step may report of itself (see runs.report_claims)
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

    # how a process ended that left no report, or none that counts
    LOST = "lost"
    DISRUPTED = "disrupted"
    NOT_STARTED = "not_started"
    REPORT_REFUSED = "report_refused"

    # what was done in Airflow, or by it
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    DEADLOCKED = "deadlocked"
    MARKED = "marked"
    RUN_DELETED = "run_deleted"
    BACKFILL_CANCELLED = "backfill_cancelled"

    UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Reason:
    """A text for people and its code; None where the report is from before there were codes."""

    text: str
    code: ReasonCode | None = None
