"""Find days whose file came or changed after their run, by comparing the ledger's days with the store's files."""

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
    """A day to run again, and why. ``file`` is the file's URI and identity, from which ``run_id`` is derived."""

    dag_id: str
    day: date
    why: str
    file: str

    @property
    def run_id(self) -> str:
        """The ID of the run for this day: the same for the same version of the file, so that it runs once."""
        return f"late__{self.day}__{hashlib.sha256(self.file.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class _Known:
    """A day's row in the ledger, with the DAG and the source of its workload."""

    dag_id: str
    source: Source
    row: Row


def late_days(ledger: Ledger, arrivals: str, now: datetime) -> list[LateDay]:
    """Return days within their source's ``late_days`` that had no file and have one now, or whose file has changed.

    A failed day counts if its file was written after its ingest began. Days of runs in flight and files that are still
    being written are left out. A call looks at 1,000 days at most; if there are more, calls a quarter of an hour apart
    look at successive parts. An error of a store is logged and skips the day; it is raised if no late day was found.
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
        return None  # committed by a version of Millrace that stored no identity
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
