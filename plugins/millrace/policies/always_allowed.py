"""The policy of steps that may start at any time."""

from millrace.policies.ruling import Admission, Allow


def always_allowed(admission: Admission) -> Allow:
    """Allow every run."""
    return Allow()
