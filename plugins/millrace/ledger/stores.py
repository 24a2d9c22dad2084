"""Results of store probes, and commit locks for stores that cannot exclude concurrent commits."""

from millrace.contracts.store import StoreTraits
from millrace.ledger.database import Database, Transaction, now, written
from millrace.ledger.records import RunKey


def record(database: Database, traits: StoreTraits) -> None:
    """See Ledger.record_store."""
    with database.write() as transaction:
        transaction.execute(
            "upsert_store",
            uri=traits.uri,
            exclusive=int(traits.exclusive),
            traits=traits.model_dump_json(),
            probed_at=written(traits.probed_at),
        )


def traits(database: Database, uri: str) -> StoreTraits | None:
    """See Ledger.store."""
    with database.read() as transaction:
        row = transaction.one("select_store", uri=uri)
    return None if row is None else StoreTraits.model_validate_json(row["traits"])


def take_lock(database: Database, run: RunKey, dataset_uri: str) -> bool:
    """See Ledger.take_commit_lock."""
    with database.write() as transaction:
        taken = transaction.execute(
            "take_commit_lock",
            dataset_uri=dataset_uri,
            dag_id=run.dag_id,
            run_id=run.run_id,
            repeat=run.repeat,
            at=now(),
        )
    return taken == 1


def release_locks(transaction: Transaction, run: RunKey) -> None:
    """Release the run's commit locks."""
    transaction.execute("release_commit_lock", dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat)
