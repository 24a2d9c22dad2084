"""Results of store probes, and commit locks for stores that cannot exclude concurrent commits."""

from dataclasses import asdict

from millrace.contracts.store import StoreTraits
from millrace.ledger.database import Tables, Transaction, now, written
from millrace.ledger.records import RunKey


class Stores(Tables):
    """What is known of each store, and who commits to a table."""

    def record_store(self, traits: StoreTraits) -> None:
        """Store the result of a store probe; it replaces the earlier one."""
        with self._database.write() as transaction:
            transaction.execute(
                "upsert_store",
                uri=traits.uri,
                exclusive=int(traits.exclusive),
                traits=traits.model_dump_json(),
                probed_at=written(traits.probed_at),
            )

    def store(self, uri: str) -> StoreTraits | None:
        """Return the result of a store's newest probe; None if it was never probed."""
        row = self._one("select_store", uri=uri)
        return None if row is None else StoreTraits.model_validate_json(row["traits"])

    def take_commit_lock(self, dag_id: str, run_id: str, repeat: int, dataset_uri: str) -> bool:
        """Return whether this run now holds the commit lock of a table; one run at a time may, and may take it again.

        The report of the run's validate step and the end of the run release the lock.
        """
        key = asdict(RunKey(dag_id, run_id, repeat))
        with self._database.write() as transaction:
            return transaction.execute("take_commit_lock", **key, dataset_uri=dataset_uri, at=now()) == 1


def release_locks(transaction: Transaction, run: RunKey) -> None:
    """Release the run's commit locks."""
    transaction.execute("release_commit_lock", **asdict(run))
