"""Waits for a run's arrivals, then divides its days into windows for parallel ingest tasks."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Context

from millrace.contracts.errors import TransientError
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import IngestResult
from millrace.orchestration import schedules
from millrace.orchestration.attempts import Skipped
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.orchestration.run_entry import open_run, try_key
from millrace.runs.run import Run
from millrace.sizing import parts
from millrace.storage.arrivals import arrival, arrived_bytes, no_new_data, still_written

_FIRST_LOOKS = timedelta(seconds=5)
_LAST_LOOKS = timedelta(minutes=5)
_LOOKS_A_WAIT = 10  # the pause before the next look is the time waited so far, divided by this


class PlanIngestOperator(WorkloadOperator):
    """Plans ingest; the XCom is a list of windows, one for each mapped ingest task.

    Their number is at most the run's ``ingest_parts``; without that it depends on the arrivals' size. A run of one day
    gets one window, without a look at sizes. A scheduled run whose source declares ``arrives_within`` is deferred until
    its files are there or that time is over. It then continues with the files it has; with none it is skipped, and its
    days are absent.
    """

    def execute(self, context: Context) -> Any:  # noqa: ANN401 - Airflow's own
        """Wait for the arrivals of a scheduled run, then admit the run and divide its window."""
        run = open_run(self.workload, context, self.settings, self.ledger)
        if run.run_type == "scheduled" and run.workload.dataset.source.arrives_within is not None:
            key = try_key(run, self.task_id, context)
            with self.reporting(key, f"airflow:{context['ti'].id}", run.parameters.hardware):
                self.await_arrivals(run, run.workload.dataset.source.arrives_within, context)
        return super().execute(context)

    def await_arrivals(self, run: Run, within: timedelta, context: Context) -> None:
        """Defer until the next look if a file is missing. Raises Skipped if no file came in time."""
        until = schedules.day_end(run.window.last, schedules.zone(schedules.of_run(context, self.workload))) + within
        now, dag_run = datetime.now(UTC), context["dag_run"]
        try:
            missing = _missing(run)
        except (OSError, TransientError) as error:  # one failed look out of many is no reason to fail
            if now >= until:
                raise
            missing = {run.window.first.isoformat(): f"the store did not answer: {error}"}
        if not missing:
            return
        if now < until:
            look = next_look(now, now - (dag_run.start_date or dag_run.run_after), until)
            day, why = next(iter(missing.items()))
            self.log.info(
                "waits until %s UTC at the latest for %d of %d days; %s: %s; looks again at %s",
                f"{until.astimezone(UTC):%Y-%m-%d %H:%M}", len(missing), len(run.window.days), day, why,
                f"{look.astimezone(UTC):%H:%M:%S}",
            )  # fmt: skip
            self.defer(trigger=DateTimeTrigger(moment=look), method_name="execute_held")
        self.log.info("%d of %d days have not arrived in time", len(missing), len(run.window.days))
        if len(missing) == len(run.window.days):
            result = IngestResult(staged=(), absent=tuple(missing), absent_reasons=missing)
            raise Skipped(no_new_data(missing, until), ReasonCode.NO_NEW_DATA, result)

    def work(self, run: Run, context: Context) -> list[dict[str, str]]:
        """Return the run's windows as JSON, divided by the size of the arrivals."""
        windows = [run.window]
        asked = run.parameters.ingest_parts
        if asked != 1 and run.window.first != run.window.last:
            found = {day: arrived_bytes(run.workload.dataset.source, day) for day in run.window.days}
            arrived = {day: size for day, size in found.items() if size is not None}
            # processes share this machine's cores; each pod has its own
            most = os.cpu_count() or 1 if self.settings.launcher == "process" else parts.MOST_PARTS
            windows = parts.divide(run.window, arrived, asked or parts.suggested(sum(arrived.values()), most))
            self.log.info("%s bytes of %s days in %s parts", f"{sum(arrived.values()):,}", len(arrived), len(windows))
        return [window.model_dump(mode="json") for window in windows]


def next_look(now: datetime, waited: timedelta, until: datetime) -> datetime:
    """Return the time of the next look: after a tenth of the wait so far, 5 s to 5 min, and not after ``until``."""
    return min(until, now + min(max(waited / _LOOKS_A_WAIT, _FIRST_LOOKS), _LAST_LOOKS))


def _missing(run: Run) -> dict[str, str]:
    """Return the days whose file is not there or still being written, each with the reason."""
    source = run.workload.dataset.source
    found = {day.isoformat(): arrival(source, day) for day in run.window.days}
    return {
        day: each.missing or "its file is still being written"
        for day, each in found.items()
        if each.uri is None or still_written(source, each.uri)
    }
