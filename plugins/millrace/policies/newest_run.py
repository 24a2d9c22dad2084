"""Which runs train: not a dry run, and of a backfill only the newest run."""

from datetime import timedelta

from millrace.contracts.reasons import ReasonCode
from millrace.policies.ruling import Admission, Allow, Skip

LOOK_AHEAD_DAYS = 370


def newest_run(admission: Admission) -> Allow | Skip:
    """Skip the training of a run that is not to train.

    That is a dry run, a run with ``train`` "never", and, if newer data exists, a run with ``train`` "newest" or a
    backfill's run with ``train`` "auto".
    """
    run = admission.run
    of_backfill = run.run_type == "backfill"
    if run.parameters.dry_run:
        return Skip("dry run: the plan is in the ledger, nothing is trained", ReasonCode.DRY_RUN)
    if run.parameters.train == "never":
        return Skip("asked not to train: the data is published", ReasonCode.TRAINING_OFF)
    newest_only = run.parameters.train == "newest" or (run.parameters.train == "auto" and of_backfill)
    if newest_only and _newer_data(admission):
        whose = "of a backfill " if of_backfill else ""
        return Skip(
            f"{whose}only the newest run trains, and newer data is there: this day's data is published",
            ReasonCode.NOT_NEWEST,
        )
    return Allow()


def _newer_data(admission: Admission) -> bool:
    """Return whether a later day is staged or committed, or a backfill's run in flight may still publish one."""
    run, last = admission.run, admission.run.window.last
    until = last + timedelta(days=LOOK_AHEAD_DAYS)
    states = admission.ledger.settled_partitions(run.workload.name, last + timedelta(days=1), until, run.generation)
    return bool({"staged", "committed"} & set(states.values())) or admission.later_in_flight(states) > 0
