"""Queries over many runs for web pages and monitors; an index bounds each read, whatever the number of runs."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Literal, get_args

from millrace.contracts.plan import Plan
from millrace.ledger import reservations
from millrace.ledger.database import Row, Tables, Transaction, written

Sort = Literal["started_at", "measured_seconds", "measured_joules", "cost", "quality", "seconds_error", "joules_error"]
SORTS: tuple[Sort, ...] = get_args(Sort)
_UNKNOWN = "-1e300"  # the same text as in the indexes of 0007_run_figures.sql
_BEYOND_ALL = 1e308
_FIRST_DAY, _LAST_DAY = "0", "9999"


@dataclass(frozen=True)
class RunCursor:
    """The last row of a page; the next page begins after it."""

    value: float | str
    started_at: str
    dag_id: str
    run_id: str
    repeat: int


@dataclass(frozen=True)
class RunFilter:
    """Filter and order of runs.

    Sorted descending by a metric, unknown values come last; ascending, runs without the metric are left out.
    """

    dag_ids: tuple[str, ...]
    state: str | None = None
    since: date | None = None
    until: date | None = None
    sort: Sort = "started_at"
    descending: bool = True


class Views(Tables):
    """Queries for web pages and monitors; every method is one transaction. Raises TransientError as Ledger does."""

    def dags(self) -> list[str]:
        """Return each DAG that has a run, by name."""
        with self._database.read() as transaction:
            return [row["dag_id"] for row in transaction.all_by("select_dags", {"table": "runs"})]

    def runs(self, wanted: RunFilter, after: RunCursor | None = None, limit: int = 50) -> list[Row]:
        """Return a page of run_summary rows with ``seconds_error`` and ``joules_error``, one row per run and repeat."""
        with self._database.read() as transaction:
            pages = [_keys(transaction, dag_id, wanted, after, limit) for dag_id in sorted(set(wanted.dag_ids))]
            keys = list(islice(heapq.merge(*pages, key=_order, reverse=wanted.descending), limit))
            found = transaction.all(
                "select_run_rows",
                dag_ids=tuple({key["dag_id"] for key in keys}),
                run_ids=tuple({key["run_id"] for key in keys}),
            )
        rows = {(row["dag_id"], row["run_id"], row["repeat"]): row for row in found}
        return [{**rows[key["dag_id"], key["run_id"], key["repeat"]], **key} for key in keys]

    def every_run(self, wanted: RunFilter, page: int = 500) -> Iterator[Row]:
        """Yield all rows, read page by page, so that memory and transactions stay bounded."""
        after: RunCursor | None = None
        while rows := self.runs(wanted, after, page):
            yield from rows
            after = cursor(rows[-1])

    def recent(self, dag_ids: Sequence[str], since: datetime) -> list[Row]:
        """Return number, seconds, sensor-covered seconds and joules of the runs that began since a time.

        One row per workload, state and energy_method.
        """
        return self._all("select_recent_figures", dag_ids=tuple(dag_ids), since=written(since))

    def recent_reasons(self, dag_ids: Sequence[str], since: datetime) -> list[Row]:
        """Return the number of ended runs that began since a time, by workload and reason_code."""
        return self._all("select_recent_reasons", dag_ids=tuple(dag_ids), since=written(since))

    def in_flight(self, dag_ids: Sequence[str], limit: int = 100) -> list[Row]:
        """Return runs that have not ended, oldest first, with predicted seconds and ``last_heard_at``.

        ``last_heard_at`` is the last of: start of the run, storing of its plan, commit of an attempt.
        """
        with self._database.read() as transaction:
            rows = transaction.all("select_runs_in_flight", dag_ids=tuple(dag_ids), row_limit=limit)
        moments = ("started_at", "planned_at", "committed_at")
        return [{**row, "last_heard_at": max(filter(None, (row[name] for name in moments)))} for row in rows]

    def repeats(self, dag_id: str, run_id: str) -> list[Row]:
        """Return a run's rows of run_summary, newest repeat first, with verdict and run_type."""
        return self._all("select_run_repeats", dag_id=dag_id, run_id=run_id)

    def plan(self, dag_id: str, run_id: str, repeat: int) -> Plan | None:
        """Return the plan of this repeat; None if it has none."""
        return _plan(self._one("select_plan_of_repeat", dag_id=dag_id, run_id=run_id, repeat=repeat))

    def newest_plan(self, dag_id: str) -> Plan | None:
        """Return the plan of the DAG's planned run that began last."""
        return _plan(self._one("select_newest_plan", dag_id=dag_id))

    def evaluations(self, dag_id: str, run_id: str, repeat: int) -> list[Row]:
        """Return the metrics of the candidate and the live version from this run's evaluation."""
        return self._all("select_run_evaluations", dag_id=dag_id, run_id=run_id, repeat=repeat)

    def publisher(self, dag_id: str, version: int) -> tuple[str, int] | None:
        """Return the run, and its repeat, that published a dataset version of this DAG."""
        row = self._one("select_publisher", dag_id=dag_id, version=version)
        return None if row is None else (str(row["run_id"]), int(row["repeat"]))

    def models(self, workload: str, before: tuple[str, str] | None = None, limit: int = 50) -> list[Row]:
        """Return versions, newest first, with their run and its cost; ``before`` is a creation time and a version."""
        created_at, version = before or (_LAST_DAY, "")
        return self._all(
            "select_model_page", workload=workload, before=created_at, before_version=version, row_limit=limit
        )

    def live_models(self, dag_ids: Sequence[str]) -> list[Row]:
        """Return the live version of each workload."""
        return self._all("select_live_models", dag_ids=tuple(dag_ids))

    def model_events(self, workload: str, limit: int = 50) -> list[Row]:
        """Return the changes of a workload's versions with their actors, newest first."""
        return self._all("select_newest_model_events", workload=workload, row_limit=limit)

    def energy_by_day(self, dag_ids: Sequence[str], since: date) -> list[Row]:
        """Return runs, joules, seconds and money by workload and by the day on which runs began."""
        return self._all("select_energy_by_day", dag_ids=tuple(dag_ids), since=since.isoformat())

    def budgets(self, dag_ids: Sequence[str], limit: int = 10) -> list[Row]:
        """Return the newest budgets and what their runs took: the measured amount, or the prediction while they run.

        ``taken_at`` is the last time that a run reserved its part.
        """
        with self._database.read() as transaction:
            rows = transaction.all("select_newest_budgets", dag_ids=tuple(dag_ids), row_limit=limit)
            return [{**row, "spent": reservations.backfill_spending(transaction, row["name"])} for row in rows]

    def storage(self, store_uri: str, since: date) -> list[Row]:
        """Return each workload's storage size at each measurement, oldest first."""
        return self._all("select_storage_since", store_uri=store_uri, since=since.isoformat())


def cursor(row: Row) -> RunCursor:
    """Return the cursor of the page after this row."""
    return RunCursor(row["sort_value"], row["started_at"], row["dag_id"], row["run_id"], row["repeat"])


def _plan(row: Row | None) -> Plan | None:
    return None if row is None else Plan.model_validate_json(row["plan"])


def _order(row: Row) -> tuple[Any, ...]:
    return row["sort_value"], row["started_at"], row["dag_id"]


def _keys(transaction: Transaction, dag_id: str, wanted: RunFilter, after: RunCursor | None, limit: int) -> list[Row]:
    timed = wanted.sort == "started_at"
    words = {
        "value": wanted.sort if timed else f"COALESCE({wanted.sort}, {_UNKNOWN})",
        # an expression, so that no database uses the index on started_at for another order
        "start": wanted.sort if timed else "(started_at || '')",
        "direction": "DESC" if wanted.descending else "ASC",
        "beyond": "<" if wanted.descending else ">",
        "states": "AND state = :state" if wanted.state else "",
    }
    values: dict[str, str] = {"state": wanted.state} if wanted.state else {}
    edge = after or _edge(timed, wanted.descending)
    return transaction.all_by(
        "select_run_keys",
        words,
        **values,
        dag_id=dag_id,
        since=wanted.since.isoformat() if wanted.since else _FIRST_DAY,
        until=(wanted.until + timedelta(days=1)).isoformat() if wanted.until else _LAST_DAY,
        value=edge.value,
        after_start=edge.started_at,
        after_dag=edge.dag_id,
        after_run=edge.run_id,
        after_repeat=edge.repeat,
        row_limit=limit,
    )


def _edge(timed: bool, descending: bool) -> RunCursor:
    """Return a cursor before the first row."""
    if descending:
        return RunCursor(_LAST_DAY if timed else _BEYOND_ALL, _LAST_DAY, "", "", 0)
    return RunCursor(_FIRST_DAY if timed else float(_UNKNOWN), _FIRST_DAY if timed else _LAST_DAY, "", "", 0)
