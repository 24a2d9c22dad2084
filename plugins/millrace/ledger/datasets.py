"""Partitions and the dataset versions that publish them."""

import operator
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from functools import reduce

from millrace.contracts.data import DatasetVersion, Profile, StagedPartition, Window
from millrace.contracts.report import IngestResult, ValidateResult
from millrace.ledger.database import Row, Tables, Transaction, Value, now
from millrace.ledger.records import RunKey

_NO_DAY = date.max
_CONTENT = {"duplicates", "source_uri", "source_bytes", "content_sha256", "source_identity"}


class Datasets(Tables):
    """What is published. Methods with ``generation`` read one generation of the workload's dataset."""

    def latest_dataset(self, workload: str, until: date, generation: int = 1) -> DatasetVersion | None:
        """Return the newest published version, up to ``until`` or its last committed day; None if no day is left."""
        row = self._one("select_latest_dataset", workload=workload, generation=generation)
        if row is None or row["first_day"] is None or until < date.fromisoformat(row["first_day"]):
            return None
        last, uri = min(until, date.fromisoformat(row["last_day"])), row["uri"]
        return DatasetVersion(workload=workload, uri=uri, version=row["version"], until=last, generation=generation)

    def profile(
        self, workload: str, *, until: date, outside: Window | None = None, generation: int = 1
    ) -> Profile | None:
        """Return the sum over committed partitions up to ``until``, not those in ``outside``; None if none is left."""
        rows = self._all(
            "select_profiles",
            workload=workload,
            generation=generation,
            until=until.isoformat(),
            outside_first=(outside.first if outside else _NO_DAY).isoformat(),
            outside_last=(outside.last if outside else _NO_DAY).isoformat(),
        )
        profiles = [Profile.model_validate_json(row["profile"]) for row in rows]
        return reduce(operator.add, profiles) if profiles else None

    def settled_partitions(self, workload: str, first: date, last: date, generation: int = 1) -> dict[date, str]:
        """Return the state of each known day from first to last: staged, absent, failed or committed."""
        rows = self.partition_rows(workload, first, last, generation)
        return {date.fromisoformat(row["day"]): row["state"] for row in rows}

    def partition_rows(self, workload: str, first: date, last: date, generation: int = 1) -> list[Row]:
        """Return each known day from first to last: state, rows, source, content digest, dataset version and run."""
        bounds = {"first_day": first.isoformat(), "last_day": last.isoformat()}
        return self._all("select_partitions", workload=workload, generation=generation, **bounds)

    def ingest_began(self, dag_id: str, run_id: str, repeat: int) -> datetime | None:
        """Return when the run's last ingest attempt began, or the run itself; ingest cannot have read later files."""
        row = self._one("select_ingest_began", dag_id=dag_id, run_id=run_id, repeat=repeat)
        return None if row is None else datetime.fromisoformat(row["began_at"])

    def tenants(self) -> list[Row]:
        """Return each workload that ever ran, with its newest run's team and its source (JSON, or None)."""
        return self._all("select_tenants")

    def sources(self) -> list[Row]:
        """Return each workload's source (JSON) and DAG, as its newest run declared them."""
        return self._all("select_sources")


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
    key = asdict(run)
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
    if transaction.one("select_refused_run", **asdict(run)):
        return
    states = _states(transaction, row)
    days = [day for day in _days(row) if states.get(day.isoformat(), ("staged", run)) == ("staged", run)]
    transaction.execute_each("mark_partition", [_mark(run, row, day, "failed", reason) for day in days])


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
        **dict.fromkeys(_CONTENT),
        **asdict(run),
        "at": now(),
    }


def _content(staged: StagedPartition) -> dict[str, Value]:
    return {"row_count": staged.rows, **staged.model_dump(include=_CONTENT)}
