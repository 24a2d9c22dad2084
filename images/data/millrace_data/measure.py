"""Compact measurements of a partition's rows, which fit into memory and which the expectation suite checks."""

from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace_data import bounds
from millrace_data.streams import store_failed

_BATCH_BYTES = 4 << 20
_MAX_BATCH_ROWS = 1 << 14


def parquet_batches(
    uri: str, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a staged file's rows, all or only the given columns and row groups, in batches of about 4 MiB.

    Raises BadInputError if the file is missing or damaged, TransientError if the store fails.
    """
    system, path = files.locate(uri)
    try:
        with pq.ParquetFile(system.open_input_file(path), buffer_size=1 << 20, pre_buffer=False) as file:
            yield from file.iter_batches(_batch_rows(file.metadata), row_groups=groups, columns=columns)
    except (pa.ArrowException, FileNotFoundError) as error:
        raise not_as_staged(uri, f"the staged file is missing or damaged ({type(error).__name__})") from error
    except OSError as error:
        raise store_failed(uri, error) from error


def not_as_staged(uri: str, what: str) -> BadInputError:
    """Return the error of a staged file that is not the one that ingest reported."""
    rule = "the staged file is the one that ingest reported"
    return BadInputError(what, where=uri, rule=rule, remedy="run ingest again")


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(_MAX_BATCH_ROWS, int(_BATCH_BYTES / max(1.0, row_bytes))))


class Measurements:
    """Collects the values that the suite checks, a few bytes a row: numbers, and lengths of texts, binaries and lists.

    Integers become int64 and floats float64, without loss. A number that pandas or Spark would not compare exactly
    with its bounds (see bounds.are_plain) becomes -1 below them, 1 above them, otherwise 0; a date or timestamp that is
    not null becomes 0. The vocabulary columns (target, splits, partition) keep their values as strings. ``frame`` has
    the file's columns in order.
    """

    def __init__(self, dataset: Dataset) -> None:
        kept = {dataset.target.column, dataset.split.column, SPLIT_COLUMN, PARTITION_COLUMN}
        self._kept = {name for name in kept if name is not None}
        self._columns = {column.name: column for column in dataset.columns}
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch's measurements; its texts are not kept in memory."""
        self._batches.append(self.measured(batch))

    def measured(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch's measurements: the same rows and column names."""
        columns = [self._measured(field.name, batch.column(field.name)) for field in batch.schema]
        return pa.record_batch(columns, names=batch.schema.names)

    def _measured(self, name: str, array: pa.Array) -> pa.Array:
        if pa.types.is_list(array.type):
            return pc.list_value_length(array)
        if name in self._kept:
            return array.cast(pa.string()).dictionary_encode()
        if pa.types.is_string(array.type):
            return pc.utf8_length(array)
        if pa.types.is_binary(array.type):
            return pc.binary_length(array)
        column = self._columns.get(name)
        if column is None or pa.types.is_boolean(array.type):
            return array
        if not bounds.are_plain(column):
            return bounds.position(column, array)
        return array.cast(pa.int64() if pa.types.is_integer(array.type) else pa.float64())

    def frame(self) -> pd.DataFrame:
        """Return the measurements of all batches added, one row for each row."""
        table = pa.Table.from_batches(self._batches).unify_dictionaries()
        frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
        return frame
