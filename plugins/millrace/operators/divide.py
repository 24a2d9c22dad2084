"""Divides a run's days between tasks that ingest them side by side."""

import os

from airflow.sdk import Context

from millrace.operators.workload import WorkloadOperator
from millrace.run import Run
from millrace.sizing import parts
from millrace.storage.arrivals import arrived_bytes


class DivideOperator(WorkloadOperator):
    """The XCom is a list of windows, one for each task of ingest: as many as the run asks for, or as the arrivals' size
    suggests. A window of one day is one part, and nothing is looked at for it.
    """

    def work(self, run: Run, context: Context) -> list[dict[str, str]]:
        """Look at the sizes of the window's arrivals."""
        windows = [run.window]
        asked = run.parameters.ingest_parts
        if asked != 1 and run.window.first != run.window.last:
            found = {day: arrived_bytes(run.workload.dataset.source, day) for day in run.window.days}
            arrived = {day: size for day, size in found.items() if size is not None}
            # processes share this machine; pods have a core each
            most = os.cpu_count() or 1 if self.settings.launcher == "process" else parts.MOST_PARTS
            windows = parts.divide(run.window, arrived, asked or parts.suggested(sum(arrived.values()), most))
            self.log.info("%s bytes of %s days in %s parts", f"{sum(arrived.values()):,}", len(arrived), len(windows))
        return [window.model_dump(mode="json") for window in windows]
