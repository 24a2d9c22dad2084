"""May a step begin at all? Asked before anything is requested for it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.ledger.ledger import Ledger
from millrace.run import Run

Admission = Callable[[Run, Ledger, Context], None]

_LOOK_AHEAD_DAYS = 370


def anyone(run: Run, ledger: Ledger, context: Context) -> None:
    """Every run may."""


def newest_run(run: Run, ledger: Ledger, context: Context) -> None:
    """A dry run stops here; in a backfill only the newest run trains, unless ``train`` is "always".

    Raises AirflowSkipException with a reason that the ledger keeps.
    """
    if run.parameters.dry_run:
        raise AirflowSkipException("dry run: the plan is in the ledger, nothing is trained")
    if run.parameters.train == "never":
        raise AirflowSkipException("asked not to train: the data is published")
    if run.parameters.train == "auto" and run.run_type == "backfill" and _newer_data(run, ledger, context):
        raise AirflowSkipException(
            "of a backfill only the newest run trains, and newer data is there: this day's data is published"
        )


def _newer_data(run: Run, ledger: Ledger, context: Context) -> bool:
    """Whether a later day is published, or a run of this backfill is in flight that may still publish one."""
    days = [run.window.last + timedelta(days=ahead) for ahead in range(1, _LOOK_AHEAD_DAYS + 1)]
    states = ledger.settled_partitions(run.workload.name, days[0], days[-1])
    if {"staged", "committed"} & set(states.values()):
        return True
    # Airflow names a run after its type and the end of its interval; the later runs of this backfill differ by days
    own = datetime.fromisoformat(run.run_id.partition("__")[2])
    open_days = [ahead for ahead, day in enumerate(days, start=1) if day not in states]
    run_ids = [f"backfill__{(own + timedelta(days=ahead)).isoformat()}" for ahead in open_days]
    count = context["ti"].get_dr_count(dag_id=run.dag_id, run_ids=run_ids, states=["queued", "running"])
    return bool(count)
