"""Waits until every earlier partition is committed, absent or failed."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator, Context

from millrace.contracts.workload import Workload
from millrace.opening import open_run
from millrace.settings import load_settings

_LOOK_BACK_DAYS = 400


class EarlierPartitionsSensor(BaseSensorOperator):
    """True once no run in flight still owes a day before this run's last one.

    Without it a backfill's newest run could train before its elders have published their days.
    """

    def __init__(self, *, workload: Workload, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(mode="reschedule", **kwargs)
        self.workload = workload

    def poke(self, context: Context) -> bool:
        """Ask the ledger which days are open, and Airflow whether a run of theirs is still in flight."""
        settings = load_settings()
        ledger = settings.ledger()
        run = open_run(self.workload, context, settings, ledger)
        last = run.window.first - timedelta(days=1)
        first = last - timedelta(days=_LOOK_BACK_DAYS)
        settled = {
            day
            for day, state in ledger.settled_partitions(run.workload.name, first, last, run.generation).items()
            if state in ("committed", "absent", "failed")
        }
        days = (first + timedelta(days=offset) for offset in range(_LOOK_BACK_DAYS + 1))
        open_days = [datetime.combine(day, time(), UTC) for day in days if day not in settled]
        waiting = context["ti"].get_dr_count(dag_id=run.dag_id, logical_dates=open_days, states=["queued", "running"])
        if waiting:
            self.log.info("%d runs of earlier days are in flight", waiting)
        return not waiting
