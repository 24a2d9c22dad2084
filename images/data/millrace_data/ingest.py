"""The step ingest: check, deduplicate and split each day's arrivals, and write them to staging as Parquet."""

import logging
import time
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.data import Dataset, Split, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.contracts.report import IngestResult
from millrace.contracts.run_spec import IngestTask, RunSpec
from millrace.step.main import Skip, Stop
from millrace.storage import files
from millrace.storage.arrivals import arrival, no_new_data, not_a_file
from millrace.storage.row_keys import key_hashes
from millrace_data import made, source
from millrace_data.arrival_errors import no_rows
from millrace_data.deduplicate import SeenRows
from millrace_data.rules import first_violation
from millrace_data.schema import SPLITS, staged_schema
from millrace_data.settled import refuse_other_length, settled
from millrace_data.staging import Quarantine, StagedFile, repetitive
from millrace_data.streams import Digest

log = logging.getLogger(__name__)

_MAX_PARSING_THREADS = 4
_LOG_EVERY_SECONDS = 5.0
_EPOCH = date(1970, 1, 1)
_TRAIN, _VALIDATION, _TEST = range(3)
_HASHES = 2.0**32
_NAMES = made.words(SPLITS)


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


def stage_partition(dataset: Dataset, day: date, out_uri: str, stop: Stop) -> StagedPartition | None:
    """Check and deduplicate one day's rows, assign splits and write them to ``out_uri``; None if no file has arrived.

    Of rows equal in ``unique_by`` the first one is kept. A file that changes while it is read is read again.
    Raises BadInputError, TransientError or InterruptedStepError, and then leaves no file of the partition.
    """
    return settled(dataset.source, day, stop, lambda uri: _stage(dataset, day, uri, out_uri, stop))


def _size_bytes(uri: str) -> int:
    try:
        size = files.size_bytes(uri)
    except FileNotFoundError as error:
        raise not_a_file(uri) from error
    if size == 0:
        raise no_rows(uri)
    return size


def _stage(dataset: Dataset, day: date, uri: str, out_uri: str, stop: Stop) -> StagedPartition:
    source_bytes, digest = _size_bytes(uri), Digest(dataset)
    seen = SeenRows(dataset.unique_by, dataset.nulls_equal) if dataset.unique_by else None
    schema = staged_schema(dataset)
    progress = _Progress(day)
    rows = 0
    extra_names: set[str] = set()
    with (
        Quarantine(uri, dataset, files.join(out_uri, f"{day}.bad.jsonl")) as quarantine,
        StagedFile(out_uri, f"{day}.parquet", schema, repetitive(dataset)) as file,
    ):
        for found in source.rows(uri, dataset, digest):
            stop.check(f"partition {day}, {progress.rows} rows read")
            extra_names |= found.extra_names
            quarantine.take(found.bad)
            batch = found.batch
            if violation := first_violation(batch, dataset):
                raise violation.error(uri, progress.rows)
            progress.add(batch)
            first = batch if seen is None else _kept(batch, seen.first_seen(batch))
            if first.num_rows:
                file.write(_completed(first, dataset, day, schema))
                rows += first.num_rows
        refuse_other_length(uri, digest.length_bytes, source_bytes)
        quarantine.refuse_too_many(progress.rows)
        _refuse_nothing_and_copies(uri, dataset, progress.rows, rows)
    log.info("partition %s: %s rows staged, %s duplicates dropped", day, rows, progress.rows - rows)
    if quarantine.rows:
        log.info("partition %s: %s rows could not be read and are kept apart", day, quarantine.rows)
    return StagedPartition(
        partition=day,
        file_uri=file.uri,
        rows=rows,
        duplicates=progress.rows - rows,
        source_uri=uri,
        source_bytes=source_bytes,
        dropped_columns=tuple(sorted(extra_names)),
        bad_rows=quarantine.rows,
        bad_rows_uri=quarantine.uri if quarantine.rows else None,
        content_sha256=digest.hexdigest(),
    )


def _kept(batch: pa.RecordBatch, first: np.ndarray) -> pa.RecordBatch:
    return batch if first.all() else batch.filter(made.truths(first))


def _completed(batch: pa.RecordBatch, dataset: Dataset, day: date, schema: pa.Schema) -> pa.RecordBatch:
    days = made.numbers(np.full(batch.num_rows, (day - _EPOCH).days, np.int32)).view(pa.date32())
    return pa.record_batch([*batch.columns, deal(batch, dataset.split), days], schema=schema)


def _refuse_nothing_and_copies(uri: str, dataset: Dataset, rows_read: int, rows: int) -> None:
    if rows_read == 0:
        raise no_rows(uri)
    if rows_read > 1 and rows == 1:
        raise BadInputError(
            f"all {rows_read:,} rows are duplicates of one row",
            where=uri,
            rule=f"rows differ in {list(dataset.unique_by)} (unique_by)",
            remedy="correct the export, or unique_by in the workload",
        )


class _Progress:
    """Counts rows and bytes read, and logs them every few seconds."""

    def __init__(self, day: date) -> None:
        self._day = day
        self._started_seconds = self._said_seconds = time.monotonic()
        self.rows = 0
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._bytes += batch.nbytes
        now_seconds = time.monotonic()
        if now_seconds - self._said_seconds >= _LOG_EVERY_SECONDS:
            self._said_seconds = now_seconds
            rate = self._bytes / 1e6 / (now_seconds - self._started_seconds)
            log.info("partition %s: %s rows read, %.0f MB/s", self._day, f"{self.rows:,}", rate)


def deal(batch: pa.RecordBatch, split: Split) -> pa.StringArray:
    """Return each row's split, by h = CRC-32 of ``str(key)`` / 2**32: test if h < ``test_fraction``, validation if h <
    ``test_fraction`` + ``validation_fraction``, otherwise train. With ``split.column``, rows with "test" there are
    test; of the others, validation if h < ``validation_fraction``. The key and the column must hold no nulls.
    """
    shares = key_hashes(batch.column(split.key)) / _HASHES
    if split.column is None:
        ends = [split.test_fraction, split.test_fraction + split.validation_fraction]
        codes = np.choose(np.searchsorted(ends, shares, side="right"), [_TEST, _VALIDATION, _TRAIN])
        return _NAMES.take(made.numbers(codes))
    dealt = _NAMES.take(made.numbers(np.where(shares < split.validation_fraction, _VALIDATION, _TRAIN)))
    test = _NAMES[_TEST]
    return pc.if_else(pc.equal(batch.column(split.column), test), test, dealt)
