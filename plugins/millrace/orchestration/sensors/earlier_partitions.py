"""Waits until no run in flight may still publish an earlier partition."""

from typing import Any

from airflow.sdk import BaseSensorOperator, Context

from millrace.contracts.workload import Workload
from millrace.orchestration.other_runs import earlier_in_flight
from millrace.orchestration.run_entry import open_run
from millrace.settings import load_settings


class EarlierPartitionsSensor(BaseSensorOperator):
    """Waits until every day before this run's first one is committed, absent or failed, or has no run in flight.

    Without it a backfill's newest run could train before earlier runs have published their days. The run's first task
    has entered it in the ledger, so that a poke writes nothing there.
    """

    def __init__(self, *, workload: Workload, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's own
        super().__init__(mode="reschedule", **kwargs)
        self.workload = workload

    def poke(self, context: Context) -> bool:
        """Read open days from the ledger, and from Airflow whether runs for them are in flight."""
        settings = load_settings()
        ledger = settings.ledger()
        run = open_run(self.workload, context, settings, ledger, begins_repeats=False)
        waiting = earlier_in_flight(run, ledger, context)
        if waiting:
            self.log.info("%d runs of earlier days are in flight", waiting)
        return not waiting
