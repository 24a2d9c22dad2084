"""Files that the ledger still references, records of sweeps, and storage sizes over time."""

from collections import Counter
from collections.abc import Iterable

from millrace.contracts.retention import Found, StoredSize
from millrace.ledger import audit
from millrace.ledger.database import Row, Tables, now
from millrace.ledger.records import SOMEBODY, Actor, Decision


class Sweeps(Tables):
    """What a sweep must keep, what sweeps removed, and how large the store is."""

    def run_ends(self) -> list[Row]:
        """Return each run: whether it is open, and when its newest repeat ended."""
        return self._all("select_run_ends")

    def kept_models(self) -> list[Row]:
        """Return every version whose files exist, each workload's newest first."""
        return self._all("select_kept_models")

    def publishing_runs(self) -> list[Row]:
        """Return the runs (``dag_id``, ``run_id``) whose published dataset version is the source of a partition."""
        return self._all("select_publishing_runs")

    def newest_versions(self) -> list[Row]:
        """Return each table's newest published version."""
        return self._all("select_newest_versions")

    def sweep_model(self, workload: str, version: str) -> bool:
        """Mark a version's files as swept before their removal; False if it is live, a candidate or already swept."""
        with self._database.write() as transaction:
            transaction.execute("lock_workload", workload=workload)
            return transaction.execute("sweep_model", workload=workload, version=version, at=now()) == 1

    def record_sweep(self, store_uri: str, found: Iterable[Found], *, applied: bool, by: Actor = SOMEBODY) -> None:
        """Store what a sweep found or removed; a sweep that removed something is audited."""
        items: Counter[tuple[str, str]] = Counter()
        sizes: Counter[tuple[str, str]] = Counter()
        for each in found:
            items[each.kind, each.workload] += each.items
            sizes[each.kind, each.workload] += each.size_bytes
        at = now()
        with self._database.write() as transaction:
            transaction.execute_each(
                "insert_sweep",
                [
                    {
                        "at": at,
                        "store_uri": store_uri,
                        "kind": kind,
                        "workload": workload,
                        "applied": int(applied),
                        "item_count": count,
                        "size_bytes": sizes[kind, workload],
                    }
                    for (kind, workload), count in sorted(items.items())
                ],
            )
            if applied and items:
                gone = "; ".join(
                    f"{workload or 'no workload'}: {count:,} files of kind {kind}, {sizes[kind, workload]:,} bytes"
                    for (kind, workload), count in sorted(items.items(), key=lambda each: each[0][::-1])
                )
                swept = Decision("sweep", store_uri, by, "the retention settings", gone, site_wide=True)
                audit.append(transaction, swept)

    def sweeps(self, store_uri: str) -> list[Row]:
        """Return the counts of a store's sweeps, oldest first."""
        return self._all("select_sweeps", store_uri=store_uri)

    def record_sizes(self, store_uri: str, sizes: Iterable[StoredSize]) -> None:
        """Store the current storage size of each workload."""
        at = now()
        with self._database.write() as transaction:
            transaction.execute_each(
                "insert_storage_size",
                [
                    {
                        "at": at,
                        "store_uri": store_uri,
                        "workload": size.workload,
                        "kind": size.kind,
                        "file_count": size.files,
                        "size_bytes": size.size_bytes,
                    }
                    for size in sizes
                ],
            )

    def storage_sizes(self, store_uri: str) -> list[Row]:
        """Return the storage size of each workload at each measurement, oldest first."""
        return self._all("select_storage_sizes", store_uri=store_uri)
