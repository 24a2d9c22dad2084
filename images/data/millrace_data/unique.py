"""Deduplication over a whole data set: a row stays in the earliest partition that has it.

Partitions are compared with earlier ones of the window and with earlier published ones. An earlier day that is ingested
later does not change a later partition until that is ingested again. A partition's rows depend only on its arrivals and
on the earlier partitions, so a backfill in the order of days is reproducible.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from millrace.contracts.data import PARTITION_COLUMN, Dataset, DatasetVersion, StagedPartition
from millrace.contracts.errors import BadInputError
from millrace.step.main import Stop
from millrace.storage import files, s3
from millrace_data.deduplicate import SeenRows, comparable_rows, row_hashes
from millrace_data.measure import parquet_batches
from millrace_data.schema import staged_schema
from millrace_data.staging import StagedFile, repetitive

log = logging.getLogger(__name__)

KEY = pa.binary(16)


@dataclass(frozen=True)
class Rows:
    """A data file of a day; rows can be removed from ``staged`` files, not from published ones."""

    day: date
    uri: str
    staged: bool


def sources(staged: Sequence[StagedPartition], published: DatasetVersion | None) -> list[Rows]:
    """Return, sorted by day, the staged files and the files of published partitions that the window does not replace.

    Published partitions after the window's last day are left out.
    """
    own = {partition.partition for partition in staged}
    found = [Rows(partition.partition, partition.file_uri, staged=True) for partition in staged]
    if published is not None:
        table = DeltaTable(published.uri, version=published.version, storage_options=s3.delta_options(published.uri))
        actions = pa.table(table.get_add_actions(flatten=True))
        days = actions[f"partition.{PARTITION_COLUMN}"].to_pylist()
        for day, path in zip(days, actions["path"].to_pylist(), strict=True):
            if day not in own and day < max(own):
                found.append(Rows(day, files.join(published.uri, *path.split("/")), staged=False))
    return sorted(found, key=lambda rows: (rows.day, rows.uri))


def keys(uri: str, dataset: Dataset) -> Iterator[pa.Array]:
    """Yield the 128-bit hashes of rows' ``unique_by`` columns, in the file's order; rows with a null in one of them are
    left out unless ``nulls_equal`` (see SeenRows).
    """
    for batch in _compared(uri, dataset):
        found = _keys(batch, dataset.unique_by)
        comparable = None if dataset.nulls_equal else comparable_rows(batch, dataset.unique_by)
        yield found if comparable is None else found.filter(pa.array(comparable))


def _compared(uri: str, dataset: Dataset) -> Iterator[pa.RecordBatch]:
    """Yield the ``unique_by`` columns of a staged or published file; a column added after the file is all nulls."""
    wanted = [field for field in staged_schema(dataset) if field.name in dataset.unique_by]
    for batch in parquet_batches(uri, dataset.unique_by):
        columns = {
            field.name: batch.column(field.name)
            if field.name in batch.schema.names
            else pa.nulls(batch.num_rows, field.type)
            for field in wanted
        }
        yield pa.record_batch(columns)


def _keys(batch: pa.RecordBatch, unique_by: Sequence[str]) -> pa.Array:
    hashes = row_hashes(batch, unique_by)
    return pa.FixedSizeBinaryArray.from_buffers(KEY, len(hashes), [None, pa.py_buffer(hashes)])


def repeated(found: Iterable[Rows], dataset: Dataset, stop: Stop) -> dict[date, list[bytes]]:
    """Return for each staged day the keys that an earlier day has. Memory: 27 to 54 bytes a row of the data set."""
    seen = SeenRows(dataset.unique_by, dataset.nulls_equal)
    repeats: dict[date, list[bytes]] = {}
    for rows in found:
        stop.check(f"comparing partition {rows.day} with earlier ones")
        for batch in _compared(rows.uri, dataset):
            first = seen.first_seen(batch)
            if rows.staged and not first.all():
                again = _keys(batch, dataset.unique_by).filter(pa.array(~first))
                repeats.setdefault(rows.day, []).extend(again.to_pylist())
    return repeats


def without(partition: StagedPartition, repeats: list[bytes], dataset: Dataset, folder_uri: str) -> StagedPartition:
    """Write the partition to ``folder_uri`` without the rows of these keys; return it unchanged if there are no keys.

    ``content_sha256`` becomes a digest of the old one and the sorted keys. Raises BadInputError if no row is left.
    """
    if not repeats:
        return partition
    if len(repeats) == partition.rows:
        raise BadInputError(
            f"partition {partition.partition}: every row is in an earlier partition already",
            where=partition.source_uri,
            rule=f"rows differ in {list(dataset.unique_by)} over the whole data set (deduplicate)",
            remedy="remove the file if it was delivered twice, or correct unique_by in the workload",
        )
    gone = pa.array(repeats, KEY)
    rows = 0
    schema = staged_schema(dataset)
    with StagedFile(folder_uri, f"{partition.partition}.parquet", schema, repetitive(dataset)) as file:
        for batch in parquet_batches(partition.file_uri):
            kept = batch.filter(pc.invert(pc.is_in(_keys(batch, dataset.unique_by), value_set=gone)))
            if kept.num_rows:
                file.write(pa.record_batch(kept.columns, schema=schema))
                rows += kept.num_rows
    digest = hashlib.sha256(f"{partition.content_sha256}\n".encode())
    for key in sorted(repeats):
        digest.update(key)
    log.info("partition %s: %s rows are in an earlier partition", partition.partition, f"{len(repeats):,}")
    return partition.model_copy(
        update={
            "file_uri": file.uri,
            "rows": rows,
            "duplicates": partition.duplicates + partition.rows - rows,
            "content_sha256": digest.hexdigest(),
        }
    )
