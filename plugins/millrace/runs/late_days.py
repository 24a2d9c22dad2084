"""Days whose file came, or changed, after their run: what the ledger remembers beside what the store has."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pydantic import ValidationError

from millrace.contracts.data import Source
from millrace.contracts.errors import StepError
from millrace.ledger.database import Row
from millrace.ledger.ledger import Ledger
from millrace.runs.located_source import located_source
from millrace.storage.arrivals import delivered, still_written
from millrace.storage.identity import Identity, identity

_log = logging.getLogger(__name__)

LOOKS_A_TURN = 1000


@dataclass(frozen=True)
class LateDay:
    """A day to take up, and why. The same file has the same run, whoever finds it and how often."""

    dag_id: str
    day: date
    why: str
    file: str

    @property
    def run_id(self) -> str:
        """The name of the run that takes it up."""
        return f"late__{self.day}__{hashlib.sha256(self.file.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class _Known:
    """A day as the ledger remembers it, where its file would be, and the runs of its workload in flight."""

    dag_id: str
    source: Source
    row: Row


def late_days(ledger: Ledger, arrivals: str, now: datetime) -> list[LateDay]:
    """Days within their source's ``late_days`` that were without data and have some now, or other data than was read.

    A day that failed counts if its file was written to since its ingest began. Days that a run in flight has, and files
    that are still being written, are left for the next time. A turn looks at a thousand days at most: where there are
    more, the next one goes on with the rest. Raises the error of a store that could not be asked, where nothing was
    found.
    """
    found: list[LateDay] = []
    failures: list[Exception] = []
    for known in _this_turn(list(_candidates(ledger, arrivals, now.date())), now):
        try:
            late = _late(known, ledger)
        except (StepError, OSError) as error:
            _log.warning("%s, %s: %s", known.dag_id, known.row["day"], error)
            failures.append(error)
            continue
        if late is not None:
            found.append(late)
    if failures and not found:
        raise failures[0]
    return found


def _candidates(ledger: Ledger, arrivals: str, today: date) -> Iterator[_Known]:
    for declared in ledger.sources():
        try:
            source = located_source(Source.model_validate_json(declared["source"]), arrivals)
        except ValidationError:
            _log.warning("%s: its source was declared by another version of Millrace", declared["workload"])
            continue
        workload = declared["workload"]
        first = today - timedelta(days=source.late_days)
        in_flight = [(run["partition_first"], run["partition_last"]) for run in ledger.open_runs(workload)]
        for row in ledger.partition_rows(workload, first, today, declared["generation"]):
            if row["state"] != "staged" and not any(begin <= row["day"] <= end for begin, end in in_flight):
                yield _Known(declared["dag_id"], source, row)


def _this_turn(known: Sequence[_Known], now: datetime) -> Sequence[_Known]:
    if len(known) <= LOOKS_A_TURN:
        return known
    turn = int(now.timestamp()) // 900
    start = turn * LOOKS_A_TURN % len(known)
    _log.info("%d of %d days are looked at, the others the next times", LOOKS_A_TURN, len(known))
    return [*known[start:], *known[:start]][:LOOKS_A_TURN]


def _late(known: _Known, ledger: Ledger) -> LateDay | None:
    row, day = known.row, date.fromisoformat(known.row["day"])
    if row["state"] == "committed" and row["source_identity"] is None:
        return None  # read before identities were kept
    uri = delivered(known.source, day)
    if uri is None or still_written(known.source, uri):
        return None
    found = identity(uri)
    match row["state"]:
        case "absent":
            why = "its file has come"
        case "failed" if _written_since(known, found, ledger):
            why = "its file was written to since it was read"
        case "committed" if found.text != row["source_identity"]:
            why = f"its file has changed: {found.text}, and {row['source_identity']} was read"
        case _:
            return None
    return LateDay(known.dag_id, day, why, f"{uri} {found.text}")


def _written_since(known: _Known, found: Identity, ledger: Ledger) -> bool:
    began = ledger.ingest_began(known.row["dag_id"], known.row["run_id"], known.row["repeat"])
    return began is not None and found.written_at is not None and found.written_at > began
