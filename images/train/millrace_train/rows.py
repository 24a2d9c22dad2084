"""Streaming reader for one split of a published dataset version: all its rows, or a deterministic sample."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, DatasetVersion
from millrace.contracts.errors import BadInputError
from millrace.storage import s3
from millrace.storage.row_keys import Hashes, key_hashes
from millrace_train.untyped import ArrowDataset, ArrowFragment

ROWS_AT_A_TIME = 512
_PIECE_BYTES = 24 << 20


@dataclass(frozen=True)
class Selection:
    """The ``rows`` rows of one split whose key's CRC-32 is at most ``highest_hash``."""

    dataset: DatasetVersion
    split: str
    key: str
    highest_hash: int
    rows: int


def select_rows(dataset: DatasetVersion, split: str, key: str, limit: int = 0) -> Selection:
    """Select the rows of ``split`` up to the version's last partition; with a ``limit``, those with the lowest hashes.

    The choice depends only on the keys, so that training, baseline and evaluation use the same rows for any layout of
    the files. Keys with equal hashes stay together, so there may be a few rows less than ``limit``. It holds about
    ``2 · limit`` hashes in memory. Raises BadInputError for a version that the table does not have.
    """
    if not limit:
        count = sum(batch.num_rows for batch in _scan(dataset, split, [key]))
        return Selection(dataset, split, key, 2**32 - 1, count)
    lowest: Hashes = np.empty(0, np.uint32)
    for batch in _scan(dataset, split, [key]):
        lowest = np.concatenate([lowest, key_hashes(batch.column(0))])
        if lowest.size > 2 * limit + ROWS_AT_A_TIME:
            lowest = np.sort(lowest)[: limit + 1]
    lowest = np.sort(lowest)
    if lowest.size <= limit:
        return Selection(dataset, split, key, 2**32 - 1, int(lowest.size))
    kept = lowest[:limit][lowest[:limit] < lowest[limit]] if lowest[limit - 1] == lowest[limit] else lowest[:limit]
    return Selection(dataset, split, key, int(kept[-1]) if kept.size else -1, int(kept.size))


def read_rows(selection: Selection, columns: Sequence[str]) -> Iterator[tuple[pa.RecordBatch, Hashes]]:
    """Yield batches of the selected rows' ``columns`` with their keys' hashes, at most ROWS_AT_A_TIME rows each."""
    names = list(dict.fromkeys([selection.key, *columns]))
    for batch in _scan(selection.dataset, selection.split, names):
        hashes = key_hashes(batch.column(0))
        wanted = hashes.astype(np.int64) <= selection.highest_hash
        if wanted.any():
            rows = batch if wanted.all() else batch.filter(pa.array(wanted))
            yield rows.select(list(columns)), hashes[wanted]


def _scan(dataset: DatasetVersion, split: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    table = _open(dataset)
    until: date | str = dataset.until
    if pa.types.is_string(table.schema.field(PARTITION_COLUMN).type):
        until = dataset.until.isoformat()
    fragments = table.get_fragments(filter=pc.field(PARTITION_COLUMN) <= pa.scalar(until))
    for batch in _one_ahead(_pieces(fragments, [*columns, SPLIT_COLUMN])):
        yield _completed(batch.filter(pc.equal(batch.column(SPLIT_COLUMN), split)), columns, table.schema)


def _completed(batch: pa.RecordBatch, columns: list[str], schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with ``columns`` in this order; a column that is newer than the batch's file is null."""
    if set(columns) <= set(batch.schema.names):
        return batch.select(columns)
    found = {
        name: batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows, schema.field(name).type)
        for name in columns
    }
    return pa.record_batch(found)


def _pieces(fragments: Iterator[ArrowFragment], columns: list[str]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Yield readers of a few row groups each; a reader fetches all its bytes when its first batch is read.

    A scan of the whole file would hold all its bytes in memory, or fetch each column of each row group separately.
    """
    for fragment in fragments:
        footer = fragment.metadata
        groups: list[int] = []
        size_bytes = 0
        for number in range(footer.num_row_groups):
            groups.append(number)
            size_bytes += footer.row_group(number).total_byte_size
            if size_bytes >= _PIECE_BYTES or number == footer.num_row_groups - 1:
                file = pq.ParquetFile(
                    fragment.filesystem.open_input_file(fragment.path), metadata=footer, pre_buffer=True
                )
                yield file.iter_batches(ROWS_AT_A_TIME, row_groups=groups, columns=columns)
                groups, size_bytes = [], 0


def _one_ahead(readers: Iterator[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Yield all batches of the readers in order; fetch each reader's first batch while the previous one is read."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as fetcher:
        waiting: tuple[Future[pa.RecordBatch | None], Iterator[pa.RecordBatch]] | None = None
        for reader in chain(readers, [None]):
            begun, waiting = waiting, None if reader is None else (fetcher.submit(next, reader, None), reader)
            if begun is not None and (first := begun[0].result()) is not None:
                yield first
                yield from begun[1]


def _open(dataset: DatasetVersion) -> ArrowDataset:
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    try:
        return DeltaTable(
            dataset.uri, version=dataset.version, storage_options=s3.delta_options(dataset.uri)
        ).to_pyarrow_dataset()
    except TableNotFoundError as error:
        raise _missing(dataset, error) from error
    except Exception as error:  # deltalake has no exception class for a missing version
        if "version" in str(error).lower():
            raise _missing(dataset, error) from error
        raise


def _missing(dataset: DatasetVersion, error: Exception) -> BadInputError:
    return BadInputError(
        f"the dataset version cannot be read: {error}",
        where=f"{dataset.uri} version {dataset.version}",
        rule="training reads a version that the ledger names and the table still has",
        remedy="validate again to commit a new version; keep `vacuum` off versions in use",
    )
