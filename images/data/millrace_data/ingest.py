"""The step ingest: the window's arrivals into staging, one Parquet file a partition."""

from datetime import date, timedelta

import pyarrow as pa

from millrace.contracts.data import StagedPartition, Window
from millrace.contracts.report import IngestResult
from millrace.contracts.run_spec import IngestTask, RunSpec
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace_data.partition import stage_partition

_MAX_PARSING_THREADS = 4


def ingest(spec: RunSpec, stop: Stop) -> IngestResult:
    """Stage every day of the window that has a file of arrivals.

    Raises Skip where no day has one, BadInputError for a file that breaks the workload's declaration and for a full
    store, TransientError where a store fails, InterruptedStepError on SIGTERM. No reader sees what it writes.
    """
    if not isinstance(spec.task, IngestTask):
        raise TypeError(f"not an ingest task: {spec.task.kind}")
    limit_parsing_memory()
    window = spec.task.window
    out_uri = files.join(spec.attempt_uri, "out")
    staged: list[StagedPartition] = []
    absent: list[str] = []
    for day in days(window):
        stop.check(f"before partition {day}")
        partition = stage_partition(spec.workload.dataset, day, out_uri, stop)
        if partition is None:
            absent.append(day.isoformat())
        else:
            staged.append(partition)
    if not staged:
        raise Skip(f"no new data: no file of arrivals from {window.first} to {window.last}")
    return IngestResult(staged=tuple(staged), absent=tuple(absent))


def limit_parsing_memory() -> None:
    """Cap pyarrow's threads: it reads ahead one block for each, so that memory would grow with the machine's cores."""
    pa.set_cpu_count(min(pa.cpu_count(), _MAX_PARSING_THREADS))


def days(window: Window) -> list[date]:
    """The window's days, in order."""
    return [window.first + timedelta(days=number) for number in range((window.last - window.first).days + 1)]
