"""Waits until every earlier partition is committed, absent or failed."""

from typing import Any

from airflow.sdk import BaseSensorOperator, Context

from millrace.contracts.workload import Workload
from millrace.orchestration.other_runs import earlier_in_flight
from millrace.orchestration.run_entry import open_run
from millrace.settings import load_settings


class EarlierPartitionsSensor(BaseSensorOperator):
    """True once no run in flight still owes a day before this run's last one.

    Without it a backfill's newest run could train before the earlier runs have published their days. The run is in the
    ledger since its first task, so that a look writes nothing there.
    """

    def __init__(self, *, workload: Workload, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(mode="reschedule", **kwargs)
        self.workload = workload

    def poke(self, context: Context) -> bool:
        """Ask the ledger which days are open, and Airflow whether a run of theirs is still in flight."""
        settings = load_settings()
        ledger = settings.ledger()
        run = open_run(self.workload, context, settings, ledger, begins_repeats=False)
        waiting = earlier_in_flight(run, ledger, context)
        if waiting:
            self.log.info("%d runs of earlier days are in flight", waiting)
        return not waiting
