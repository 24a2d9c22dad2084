"""The step ingest: write the window's arrivals to staging, one Parquet file for each partition."""

import logging

import pyarrow as pa

from millrace.contracts.data import StagedPartition
from millrace.contracts.report import IngestResult
from millrace.contracts.run_spec import IngestTask, RunSpec
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace.storage.arrivals import arrival, no_new_data
from millrace_data.partition import stage_partition

log = logging.getLogger(__name__)

_MAX_PARSING_THREADS = 4


def ingest(spec: RunSpec, stop: Stop) -> IngestResult:
    """Stage every day of the window that has a file of arrivals.

    Raises Skip if no day has one, BadInputError for a file that violates the workload's declaration or for a full
    store, TransientError if a store fails, InterruptedStepError on SIGTERM. Staged files are not visible to readers.
    """
    if not isinstance(spec.task, IngestTask):
        raise TypeError(f"not an ingest task: {spec.task.kind}")
    limit_parsing_memory()
    window = spec.task.window
    out_uri = files.join(spec.attempt_uri, "out")
    staged: list[StagedPartition] = []
    absent: dict[str, str] = {}
    for day in window.days:
        stop.check(f"before partition {day}")
        partition = stage_partition(spec.workload.dataset, day, out_uri, stop)
        if partition is None:
            absent[day.isoformat()] = why = arrival(spec.workload.dataset.source, day).missing or "no file of arrivals"
            log.info("partition %s: %s", day, why)
        else:
            staged.append(partition)
    result = IngestResult(staged=tuple(staged), absent=tuple(absent), absent_reasons=absent)
    if not staged:
        # the result reports this part's days as absent; other parts of the window may have staged some
        raise Skip(no_new_data(absent), result)
    return result


def limit_parsing_memory() -> None:
    """Limit pyarrow to 4 threads: it reads one block ahead for each, so memory would grow with the machine's cores."""
    pa.set_cpu_count(min(pa.cpu_count(), _MAX_PARSING_THREADS))
