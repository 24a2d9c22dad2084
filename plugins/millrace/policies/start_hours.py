"""Waits for the hours in which a run's energy has the lowest emissions or cost."""

from datetime import UTC, datetime

from millrace.policies.ruling import Admission, Allow, Defer


def start_hours(admission: Admission) -> Allow | Defer:
    """Defer until the start in the run's plan, if that is in the future."""
    start = admission.plan.start
    if start is None or start.at <= datetime.now(UTC):
        return Allow()
    return Defer(start.at, f"{start.reason}, by {start.rates}")
