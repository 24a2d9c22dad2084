"""Middleware of Airflow's API server: when a backfill is cancelled, its running runs are failed too.

Airflow itself fails only the queued runs, without calling listeners, and lets running runs continue to their ends.
"""

import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_CANCEL = re.compile(r"/api/v2/backfills/(\d+)/cancel/?\Z")


class CancelledBackfills:
    """ASGI middleware: acts after a request to cancel a backfill that Airflow has answered with status 200."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass the request on; after a successful cancel request, fail the backfill's running runs."""
        cancels = _CANCEL.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if cancels is None:
            await self.app(scope, receive, send)
            return
        status = 0

        async def seen(message: "Message") -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self.app(scope, receive, seen)
        if status == 200:
            # imported here: every process of Airflow imports this module, but only the API server needs this
            from starlette.concurrency import run_in_threadpool

            try:
                await run_in_threadpool(end_runs, int(cancels[1]))
            except Exception:  # Airflow has sent its response already
                log.exception("runs of the cancelled backfill %s may go on", cancels[1])


def end_runs(backfill_id: int) -> None:
    """Mark each running run of this backfill failed, as in Airflow's UI; only runs that are open in the ledger."""
    from airflow.models.backfill import BackfillDagRun
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from millrace.settings import load_settings

    known = {(run["dag_id"], run["run_id"]) for run in load_settings().ledger().open_runs()}
    with create_session() as session:
        begun = (
            select(DagRun)
            .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id)
            .where(BackfillDagRun.backfill_id == backfill_id, DagRun.state == DagRunState.RUNNING)
        )
        for run in session.scalars(begun).all():
            if (run.dag_id, run.run_id) in known:
                _fail(run, session)


def _fail(run: Any, session: Any) -> None:  # noqa: ANN401 - Airflow's own
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed
    from airflow.listeners.listener import get_listener_manager
    from airflow.models.dagbag import DBDagBag

    from millrace.contracts.reasons import ReasonCode

    dag = DBDagBag().get_dag_for_run(run, session)
    if dag is None:
        log.error("the DAG of run %s is not known any more: the run goes on", run.run_id)
        return
    set_dag_run_state_to_failed(dag=dag, run_id=run.run_id, commit=True, session=session)
    run.dag = dag
    get_listener_manager().hook.on_dag_run_failed(dag_run=run, msg=ReasonCode.BACKFILL_CANCELLED)
