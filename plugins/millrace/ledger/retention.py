"""Files that the ledger still references, records of sweeps, and storage sizes over time."""

from collections import Counter
from collections.abc import Iterable

from millrace.contracts.retention import Found, StoredSize
from millrace.ledger import audit
from millrace.ledger.database import Database, Row, now
from millrace.ledger.records import Actor, Decision


def run_ends(database: Database) -> list[Row]:
    """See Ledger.run_ends."""
    with database.read() as transaction:
        return transaction.all("select_run_ends")


def kept_models(database: Database) -> list[Row]:
    """See Ledger.kept_models."""
    with database.read() as transaction:
        return transaction.all("select_kept_models")


def publishing_runs(database: Database) -> list[Row]:
    """See Ledger.publishing_runs."""
    with database.read() as transaction:
        return transaction.all("select_publishing_runs")


def newest_versions(database: Database) -> list[Row]:
    """See Ledger.newest_versions."""
    with database.read() as transaction:
        return transaction.all("select_newest_versions")


def sweep_model(database: Database, workload: str, version: str) -> bool:
    """See Ledger.sweep_model."""
    with database.write() as transaction:
        transaction.execute("lock_workload", workload=workload)
        return transaction.execute("sweep_model", workload=workload, version=version, at=now()) == 1


def record_sweep(database: Database, store_uri: str, found: Iterable[Found], *, applied: bool, by: Actor) -> None:
    """See Ledger.record_sweep."""
    items: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for each in found:
        items[each.kind, each.workload] += each.items
        sizes[each.kind, each.workload] += each.size_bytes
    at = now()
    with database.write() as transaction:
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
            audit.append(transaction, Decision("sweep", store_uri, by, "the retention settings", gone, site_wide=True))


def record_sizes(database: Database, store_uri: str, sizes: Iterable[StoredSize]) -> None:
    """See Ledger.record_sizes."""
    at = now()
    with database.write() as transaction:
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


def rows(database: Database, query: str, store_uri: str) -> list[Row]:
    """See Ledger.sweeps and Ledger.storage_sizes."""
    with database.read() as transaction:
        return transaction.all(query, store_uri=store_uri)
