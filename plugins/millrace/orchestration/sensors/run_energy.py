"""Reads the joules of ended runs from Prometheus and stores them in the ledger."""

from datetime import datetime
from typing import Any

from airflow.sdk import BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from millrace.orchestration.triggers.run_energy import RunEnergyTrigger
from millrace.settings import load_settings
from millrace.telemetry.run_meters import run_meters

_SCRAPES = 2


class RunEnergySensor(BaseSensorOperator):
    """Waits in the triggerer until Prometheus has scraped the newest run's end, then reads every unmetered run once.

    It has a DAG of its own, so that an outage of Prometheus affects no training. Runs for which Prometheus did not
    answer are read again by the next run of that DAG, until they ended more than a day ago.
    """

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Defer until the last scrape; skip the task if no Prometheus is configured or no run is unmetered."""
        settings = load_settings()
        if run_meters(settings) is None:
            raise AirflowSkipException("MILLRACE_PROMETHEUS_URL names no Prometheus")
        waiting = settings.ledger().unmetered_runs()
        if not waiting:
            raise AirflowSkipException("every run is metered")
        ended = max(datetime.fromisoformat(row["finished_at"]).timestamp() for row in waiting)
        at = ended + _SCRAPES * settings.prometheus_scrape_seconds
        self.defer(trigger=RunEnergyTrigger(at), method_name="record")

    def record(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Store each run's joules, or the reason why they are unknown; the XCom counts the runs with known joules."""
        settings = load_settings()
        meters, ledger = run_meters(settings), settings.ledger()
        if meters is None:
            raise AirflowSkipException("MILLRACE_PROMETHEUS_URL names no Prometheus any more")
        known = 0
        waiting = ledger.unmetered_runs()
        for row in waiting:
            plan = ledger.plan(row["dag_id"], row["run_id"])
            gpu_steps = ("train",) if plan is not None and plan.hardware.gpus else ()
            found = meters.read(ledger.tries(row["dag_id"], row["run_id"], row["repeat"]), gpu_steps)
            ledger.record_metered(row["dag_id"], row["run_id"], row["repeat"], found)
            known += found.joules is not None
            text = found.reason or f"{found.joules:,.0f} J by {found.meter}"
            self.log.info("%s / %s: %s (coverage %.0f %%)", row["dag_id"], row["run_id"], text, 100 * found.coverage)
        return f"{known} of {len(waiting)} runs"
