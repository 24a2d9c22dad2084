"""One day's arrivals on their way into staging."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from millrace.contracts.data import Dataset, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.step.main import Stop
from millrace.storage import files
from millrace.storage.arrivals import delivered
from millrace_data import diagnose, source
from millrace_data.deduplicate import SeenRows
from millrace_data.rules import first_breach
from millrace_data.schema import staged_schema
from millrace_data.sift import Sieve
from millrace_data.split import deal
from millrace_data.staging import StagedFile, repetitive
from millrace_data.streams import Digest, NullLineError

log = logging.getLogger(__name__)

_LOG_EVERY_SECONDS = 5.0
_EPOCH = date(1970, 1, 1)


def stage_partition(dataset: Dataset, day: date, out_uri: str, stop: Stop) -> StagedPartition | None:
    """Check, de-duplicate and deal one day's rows into ``out_uri``; None where its file is missing.

    Of rows equal in ``unique_by`` the first one stays. Raises BadInputError, TransientError and InterruptedStepError;
    then no file of the partition is left.
    """
    uri = delivered(dataset.source, day)
    if uri is None:
        log.info("partition %s: no file of arrivals", day)
        return None
    source_bytes = _size_bytes(uri)
    delivery = _Delivery(dataset, day, uri, source_bytes, out_uri, stop)
    try:
        staged = _stage_whole(delivery)
    except BadInputError as error:
        if not dataset.max_bad_rows_share or dataset.source.format == "parquet":
            raise
        log.info("partition %s: %s; reading again row by row", day, error.what)
        staged = _stage_sifted(delivery)
    if dataset.extra_columns == "drop":
        staged = staged.model_copy(update={"dropped_columns": diagnose.extra_columns(uri, dataset)})
    return staged


def _stage_whole(delivery: "_Delivery") -> StagedPartition:
    try:
        return _stage(delivery, source.BLOCK_BYTES)
    except source.LongRowError:
        block_bytes = diagnose.longest_row_bytes(delivery.uri, delivery.dataset)
        log.info("partition %s: a row has %s bytes; reading again in larger blocks", delivery.day, f"{block_bytes:,}")
        return _stage(delivery, block_bytes)


def _stage_sifted(delivery: "_Delivery") -> StagedPartition:
    with Sieve(delivery.uri, delivery.dataset, files.join(delivery.out_uri, f"{delivery.day}.bad.jsonl")) as sieve:
        staged = _stage(delivery, sieve.block_bytes, sieve)
    log.info("partition %s: %s rows could not be read and are kept aside", delivery.day, sieve.kept_aside)
    aside = {"bad_rows": sieve.kept_aside, "bad_rows_uri": sieve.uri if sieve.kept_aside else None}
    return staged.model_copy(update=aside)


def _size_bytes(uri: str) -> int:
    try:
        size = files.size_bytes(uri)
    except FileNotFoundError as error:
        raise BadInputError(
            "it is not a file", where=uri, rule="one file a partition", remedy="put the day's rows into one file"
        ) from error
    if size == 0:
        raise diagnose.no_rows(uri)
    return size


@dataclass(frozen=True)
class _Delivery:
    dataset: Dataset
    day: date
    uri: str
    source_bytes: int
    out_uri: str
    stop: Stop


def _stage(delivery: _Delivery, block_bytes: int, sieve: Sieve | None = None) -> StagedPartition:
    dataset, day, uri = delivery.dataset, delivery.day, delivery.uri
    digest = Digest(dataset)
    seen = SeenRows(dataset.unique_by, dataset.nulls_equal) if dataset.unique_by else None
    schema = staged_schema(dataset)
    progress = _Progress(day)
    rows = 0
    with StagedFile(delivery.out_uri, f"{day}.parquet", schema, repetitive(dataset)) as file:
        for batch in _checked(dataset, uri, digest, block_bytes, sieve):
            delivery.stop.check(f"partition {day}, {progress.rows} rows read")
            progress.add(batch)
            first = batch if seen is None else _kept(batch, seen.first_seen(batch))
            if first.num_rows:
                file.write(_completed(first, dataset, day, schema))
                rows += first.num_rows
        if sieve is not None:
            sieve.refuse_too_many(progress.rows)
        _refuse_nothing_and_copies(uri, dataset, progress.rows, rows)
    log.info("partition %s: %s rows staged, %s duplicates dropped", day, rows, progress.rows - rows)
    return StagedPartition(
        partition=day,
        file_uri=file.uri,
        rows=rows,
        duplicates=progress.rows - rows,
        source_uri=uri,
        source_bytes=delivery.source_bytes,
        content_sha256=digest.hexdigest(),
    )


def _checked(
    dataset: Dataset, uri: str, digest: Digest, block_bytes: int, sieve: Sieve | None
) -> Iterator[pa.RecordBatch]:
    rows_before = 0
    batches = source.batches(uri, dataset, digest, block_bytes, sieve.over if sieve else None)
    while (batch := _next(batches, uri, dataset)) is not None:
        if breach := first_breach(batch, dataset):
            raise breach.error(uri, rows_before)
        yield batch
        rows_before += batch.num_rows


def _next(batches: Iterator[pa.RecordBatch], uri: str, dataset: Dataset) -> pa.RecordBatch | None:
    """The file's next batch, None at its end: what fails here is the file's, and what fails elsewhere is not."""
    try:
        return next(batches, None)
    except source.OddQuotesError:
        diagnose.refuse_open_quote(uri, dataset)
        return None
    except (pa.ArrowException, OSError, NullLineError) as error:
        raise diagnose.offence(uri, dataset, error) from error


def _kept(batch: pa.RecordBatch, first: np.ndarray) -> pa.RecordBatch:
    return batch if first.all() else batch.filter(pa.array(first))


def _completed(batch: pa.RecordBatch, dataset: Dataset, day: date, schema: pa.Schema) -> pa.RecordBatch:
    days = pa.array(np.full(batch.num_rows, (day - _EPOCH).days, np.int32)).view(pa.date32())
    return pa.record_batch([*batch.columns, deal(batch, dataset.split), days], schema=schema)


def _refuse_nothing_and_copies(uri: str, dataset: Dataset, rows_read: int, rows: int) -> None:
    if rows_read == 0:
        raise diagnose.no_rows(uri)
    if rows_read > 1 and rows == 1:
        raise BadInputError(
            f"all {rows_read:,} rows are duplicates of one row",
            where=uri,
            rule=f"rows differ in {list(dataset.unique_by)} (unique_by)",
            remedy="correct the export, or unique_by in the workload",
        )


class _Progress:
    """Counts what was read and says so every few seconds."""

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
