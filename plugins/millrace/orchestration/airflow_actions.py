"""Copy manual actions from Airflow's own log (table ``log``) into the audit.

Airflow writes its log before it acts, so that each row records what was requested and by whom, not the result.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.log import Log
from sqlalchemy import select

from millrace.contracts.errors import StepError
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Decision, RunKey

_log = logging.getLogger(__name__)

# not listed: triggers, which the run records, and answers, which the asking task records
_ACTIONS = {
    "patch_task_instance": "mark",
    "patch_task_group_instances": "mark",
    "bulk_task_instances": "mark",
    "delete_task_instance": "delete",
    "post_clear_task_instances": "clear",
    "patch_dag_run": "mark",
    "bulk_dag_runs": "mark",
    "delete_dag_run": "delete",
    "clear_dag_run": "clear",
    "clear_dag_runs": "clear",
    "clear_dag_run_partitions": "clear",
    "create_backfill": "backfill",
    "patch_dag": "pause",
    "delete_dag": "delete",
    "cli_task_clear": "clear",
    "cli_dag_clear": "clear",
    "cli_dag_pause": "pause",
    "cli_dag_unpause": "pause",
    "cli_dag_delete": "delete",
}
# the field that such a request must have: without it the request changes only a note
_NEEDED = {"patch_task_instance": "new_state", "patch_dag_run": "state", "patch_dag": "is_paused"}
_UNSAID = {"method", "note", "map_index", "host_name"}
_LOOK_BACK, _FIRST_LOOK = timedelta(hours=1), timedelta(days=1)
_AT_ONCE = 500


def take_over(session: Any, ledger: Ledger) -> int:  # noqa: ANN401 - Airflow's session
    """Copy new rows of Airflow's log, for DAGs that the ledger knows, into the audit; return how many are new.

    Each row is recorded once, even if several processes call this at the same time. If the ledger does not answer, log
    a warning and return 0: the next call finds the rows.
    """
    try:
        newest = ledger.newest_taken_over()
        # rows of the log may become visible out of order, so the last hour is read again
        since = newest - _LOOK_BACK if newest else datetime.now(UTC) - _FIRST_LOOK
        dag_ids = ledger.views.dags()
        return sum(_keep(rows, ledger) for rows in _pages(session, since, dag_ids))
    except StepError as error:
        _log.warning("what was done by hand in Airflow reaches the audit later: %s", error.what)
        return 0


def _pages(session: Any, since: datetime, dag_ids: list[str]) -> Iterator[list[Any]]:  # noqa: ANN401
    asked = select(Log.id, Log.dttm, Log.event, Log.dag_id, Log.run_id, Log.task_id, Log.owner, Log.extra)
    asked = asked.where(Log.dttm >= since, Log.event.in_(list(_ACTIONS)), Log.dag_id.in_(dag_ids))
    asked = asked.order_by(Log.id).limit(_AT_ONCE).execution_options(autoflush=False)  # Airflow's own session
    last = 0
    while dag_ids and (rows := list(session.execute(asked.where(Log.id > last)))):
        yield rows
        last = rows[-1].id


def _keep(rows: Iterable[Any], ledger: Ledger) -> int:
    by_name = {f"airflow log {row.id} of {row.dttm.astimezone(UTC).isoformat()}": row for row in rows}
    known = ledger.known_decisions(list(by_name))
    new = ((name, row) for name, row in by_name.items() if name not in known)
    decisions = (found for name, row in new if (found := _decision(name, row, ledger)) is not None)
    return sum(ledger.record_decision(each) for each in decisions)


def _decision(name: str, row: Any, ledger: Ledger) -> Decision | None:  # noqa: ANN401 - a row of Airflow's log
    extra = _extra(row.extra)
    if _NEEDED.get(row.event, "") not in ("", *extra):
        return None
    run = None
    if row.run_id:
        run = RunKey(row.dag_id, row.run_id, ledger.last_repeat(row.dag_id, row.run_id) or 0)
    part = extra.get("map_index")
    task = row.task_id and (f"{row.task_id} {part}" if part not in (None, -1, "-1") else row.task_id)
    details = "; ".join(f"{key}: {value}" for key, value in extra.items() if key not in _UNSAID and value is not None)
    return Decision(
        _ACTIONS[row.event],
        str(task or row.run_id or row.dag_id),
        Actor(row.owner or "somebody"),
        str(extra.get("note") or "by hand in Airflow, without a note"),
        f"{row.event}: {details}" if details else row.event,
        "asked",
        dag_id=row.dag_id,
        run=run,
        once=name,
        at=row.dttm,
    )


def _extra(text: str | None) -> Mapping[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
