"""One run at a time commits to a dataset in a store without exclusive writes."""

from datetime import UTC, datetime, timedelta

from millrace.contracts.errors import TransientError
from millrace.policies.ruling import Admission, Allow, Defer
from millrace.storage.probe import probe

_PATIENCE = timedelta(minutes=10)
_NEXT_LOOK = timedelta(seconds=5)


def commit_lock(admission: Admission) -> Allow | Defer:
    """Take the dataset's commit lock if the store has no exclusive writes; defer while another run holds it.

    Probes a store that was never probed. Raises TransientError if another run has held the lock for ten minutes.
    """
    run, ledger = admission.run, admission.ledger
    traits = ledger.store(run.store)
    if traits is None:
        traits = probe(run.store)
        ledger.record_store(traits)
    if traits.exclusive or ledger.take_commit_lock(run.dag_id, run.run_id, run.repeat, run.dataset_uri):
        return Allow()
    now = datetime.now(UTC)
    since = admission.deferred_since or now
    if now - since >= _PATIENCE:
        raise TransientError(
            "another run is committing to the dataset",
            where=run.dataset_uri,
            rule="one at a time, in a store where nothing is exclusive",
            remedy="the task is retried; `python -m millrace probe-storage` says what the store does",
        )
    return Defer(now + _NEXT_LOOK, f"another run is committing to {run.dataset_uri}", since)
