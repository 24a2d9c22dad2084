"""May a step begin at all? Asked before anything is requested for it."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.contracts.errors import TransientError
from millrace.ledger.ledger import Ledger
from millrace.run import Run
from millrace.storage.probe import probe

Admission = Callable[[Run, Ledger, Context], None]

_LOOK_AHEAD_DAYS = 370
_WAIT_SECONDS = 600
_LOOK_SECONDS = 2


def anyone(run: Run, ledger: Ledger, context: Context) -> None:
    """Every run may."""


def sole_committer(run: Run, ledger: Ledger, context: Context) -> None:
    """Where the store cannot say which of several commits was first, one run at a time may commit to a dataset.

    A store that was never probed is, now. Raises TransientError where another run is at it for too long.
    """
    traits = ledger.store(run.store)
    if traits is None:
        traits = probe(run.store)
        ledger.record_store(traits)
    if traits.exclusive:
        return
    deadline = time.monotonic() + _WAIT_SECONDS
    while not ledger.take_commit_lock(run.dag_id, run.run_id, run.repeat, run.dataset_uri):
        if time.monotonic() > deadline:
            raise TransientError(
                "another run is committing to the dataset",
                where=run.dataset_uri,
                rule="one at a time, in a store where nothing is exclusive",
                remedy="the task is retried; `python -m millrace probe-storage` says what the store does",
            )
        time.sleep(_LOOK_SECONDS)


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
