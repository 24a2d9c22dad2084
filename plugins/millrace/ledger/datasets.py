"""Partitions and the dataset versions that publish them."""

import operator
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import reduce

from millrace.contracts.data import DatasetVersion, Profile, StagedPartition, Window
from millrace.contracts.report import IngestResult, ValidateResult
from millrace.ledger.database import Database, Row, Transaction, Value, now
from millrace.ledger.records import RunKey

_NO_DAY = date.max


def stage(transaction: Transaction, run: RunKey, row: Row, result: IngestResult) -> None:
    """Store staged and absent days; a committed day stays committed."""
    rows = [{**_mark(run, row, staged.partition, "staged"), **_content(staged)} for staged in result.staged]
    reasons = result.absent_reasons
    rows += [
        _mark(run, row, date.fromisoformat(day), "absent", reasons.get(day, "no file of arrivals"))
        for day in result.absent
    ]
    transaction.execute_each("mark_partition", sorted(rows, key=lambda row: str(row["day"])))


def publish(transaction: Transaction, run: RunKey, row: Row, result: ValidateResult) -> None:
    """Insert the row that publishes a dataset version, and commit its partitions."""
    at = now()
    key: dict[str, Value] = {"dag_id": run.dag_id, "run_id": run.run_id, "repeat": run.repeat}
    transaction.execute(
        "insert_dataset_version",
        **key,
        workload=row["workload"],
        generation=row["generation"],
        version=result.version,
        uri=result.dataset_uri,
        at=at,
    )
    transaction.execute_each(
        "commit_partition",
        [
            {
                **key,
                **_content(staged),
                "workload": row["workload"],
                "generation": row["generation"],
                "day": staged.partition.isoformat(),
                "profile": profile.model_dump_json() if profile else None,
                "dataset_version": result.version,
                "at": at,
            }
            for staged in sorted(result.published, key=lambda staged: staged.partition)
            for profile in [result.profiles.get(staged.partition.isoformat())]
        ],
    )
    transaction.execute("update_run_dataset", **key, dataset_version=result.version)


def fail(transaction: Transaction, run: RunKey, row: Row, step: str, reason: str) -> None:
    """Mark a run's days as failed after its ingest or validation failed permanently; committed days stay.

    A failed ingest also marks absent days; a failed validation leaves them absent.
    """
    states = _states(transaction, row)
    keep = {"committed"} if step == "ingest" else {"committed", "absent"}
    days = [day for day in _days(row) if states.get(day.isoformat(), ("", None))[0] not in keep]
    transaction.execute_each("mark_partition", [_mark(run, row, day, "failed", reason) for day in days])


def give_up(transaction: Transaction, run: RunKey, row: Row, reason: str) -> None:
    """Mark the days that a failed run leaves open as failed, so that no later run waits for them.

    Days that another run staged stay staged. A run that was refused before it read any day leaves none open.
    """
    if transaction.one("select_refused_run", dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat):
        return
    states = _states(transaction, row)
    days = [day for day in _days(row) if states.get(day.isoformat(), ("staged", run)) == ("staged", run)]
    transaction.execute_each("mark_partition", [_mark(run, row, day, "failed", reason) for day in days])


def latest_dataset(database: Database, workload: str, until: date, generation: int) -> DatasetVersion | None:
    """See Ledger.latest_dataset."""
    with database.read() as transaction:
        row = transaction.one("select_latest_dataset", workload=workload, generation=generation)
    if row is None or row["first_day"] is None or until < date.fromisoformat(row["first_day"]):
        return None
    last = min(until, date.fromisoformat(row["last_day"]))
    return DatasetVersion(workload=workload, uri=row["uri"], version=row["version"], until=last, generation=generation)


def profile(
    database: Database, workload: str, *, until: date, outside: Window | None, generation: int
) -> Profile | None:
    """See Ledger.profile."""
    with database.read() as transaction:
        rows = transaction.all(
            "select_profiles",
            workload=workload,
            generation=generation,
            until=until.isoformat(),
            outside_first=(outside.first if outside else _NO_DAY).isoformat(),
            outside_last=(outside.last if outside else _NO_DAY).isoformat(),
        )
    profiles = [Profile.model_validate_json(row["profile"]) for row in rows]
    return reduce(operator.add, profiles) if profiles else None


def partitions(database: Database, workload: str, first: date, last: date, generation: int) -> list[Row]:
    """See Ledger.partition_rows."""
    with database.read() as transaction:
        return transaction.all(
            "select_partitions",
            workload=workload,
            generation=generation,
            first_day=first.isoformat(),
            last_day=last.isoformat(),
        )


def tenants(database: Database) -> list[Row]:
    """See Ledger.tenants."""
    with database.read() as transaction:
        return transaction.all("select_tenants")


def sources(database: Database) -> list[Row]:
    """See Ledger.sources."""
    with database.read() as transaction:
        return transaction.all("select_sources")


def ingest_began(database: Database, run: RunKey) -> datetime | None:
    """See Ledger.ingest_began."""
    with database.read() as transaction:
        row = transaction.one("select_ingest_began", dag_id=run.dag_id, run_id=run.run_id, repeat=run.repeat)
    return None if row is None else datetime.fromisoformat(row["began_at"])


def _states(transaction: Transaction, row: Row) -> dict[str, tuple[str, RunKey]]:
    rows = transaction.all(
        "select_partitions",
        workload=row["workload"],
        generation=row["generation"],
        first_day=row["partition_first"],
        last_day=row["partition_last"],
    )
    return {found["day"]: (found["state"], RunKey(found["dag_id"], found["run_id"], found["repeat"])) for found in rows}


def _days(row: Row) -> Iterator[date]:
    first, last = date.fromisoformat(row["partition_first"]), date.fromisoformat(row["partition_last"])
    return (first + timedelta(days=offset) for offset in range((last - first).days + 1))


def _mark(run: RunKey, row: Row, day: date, state: str, reason: str | None = None) -> dict[str, Value]:
    return {
        "workload": row["workload"],
        "generation": row["generation"],
        "day": day.isoformat(),
        "state": state,
        "reason": reason,
        "row_count": None,
        "duplicates": None,
        "source_uri": None,
        "source_bytes": None,
        "content_sha256": None,
        "source_identity": None,
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "repeat": run.repeat,
        "at": now(),
    }


def _content(staged: StagedPartition) -> dict[str, Value]:
    return {
        "row_count": staged.rows,
        "duplicates": staged.duplicates,
        "source_uri": staged.source_uri,
        "source_bytes": staged.source_bytes,
        "content_sha256": staged.content_sha256,
        "source_identity": staged.source_identity,
    }
