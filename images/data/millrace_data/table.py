"""The Delta table of a workload's dataset: commits replace one partition each, and skip content that it holds."""

import logging
from collections.abc import Iterator, Mapping
from datetime import date

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from millrace.contracts.data import CONTENT_COLUMN, PARTITION_COLUMN, Dataset, StagedPartition
from millrace.contracts.errors import BadInputError, TransientError
from millrace.storage import files, s3
from millrace_data.measure import parquet_batches
from millrace_data.schema import table_schema

log = logging.getLogger(__name__)

_TRIES = 10
_MAX_WAIT_SECONDS = 10.0
_FILE_BYTES = 64 << 20
_ROW_GROUP_ROWS = 1 << 13
_PARTITIONED_BY = [PARTITION_COLUMN, CONTENT_COLUMN]


class DatasetTable:
    """The table at a URI, as of the last ``refresh``; it need not exist before the first commit.

    Each row has its partition's ``content_sha256`` as a second partition column, so that the digest exists exactly as
    long as the rows: in every checkpoint, after vacuum, a restore or a deletion. The table's history records for each
    version the ``run`` that wrote it, the partition and the source. If the workload gains a nullable column, the next
    commit adds it to the table; older rows have null there.
    """

    def __init__(self, uri: str, dataset: Dataset, run: Mapping[str, str] | None = None) -> None:
        self._uri = uri
        self._run = dict(run or {})
        self._options = s3.delta_options(uri)
        self._dataset = dataset
        self._table: DeltaTable | None = None
        self._schema = table_schema(dataset)
        self.refresh()

    def refresh(self) -> None:
        """Load the table's latest version. Raises BadInputError with the differences if the workload's columns differ
        from the table's by more than added nullable columns, TransientError if the table cannot be read.
        """
        try:
            there = DeltaTable.is_deltatable(self._uri, self._options)
            self._table = DeltaTable(self._uri, storage_options=self._options) if there else None
        except (DeltaError, OSError) as error:
            raise self._failed(error) from error
        if self._table is None:
            return
        if differences := list(self._differences(pa.schema(self._table.schema()))):
            raise BadInputError(
                f"the table's columns are not the workload's: {'; '.join(differences)}",
                where=self._uri,
                rule="a table keeps its columns and their types, in any order; a column that is added is nullable",
                remedy=f"declare them as they were, or set Dataset.generation to {self._dataset.generation + 1}: "
                "a backfill fills a new table, and the old model serves until then",
            )

    def _differences(self, found: pa.Schema) -> Iterator[str]:
        wanted = self._schema
        for field in found:
            if field.name not in wanted.names:
                yield f"{field.name!r} ({field.type}) is not in the workload"
            elif not field.type.equals(wanted.field(field.name).type):
                yield f"{field.name!r} is {field.type}, {wanted.field(field.name).type} in the workload"
        for column in self._dataset.columns:
            if column.name not in found.names and not column.nullable:
                yield f"{column.name!r} is not in the table, and is not nullable"

    @property
    def version(self) -> int:
        """The version as of the last ``refresh``. Raises TransientError if there is no table."""
        if self._table is None:
            raise self._failed(FileNotFoundError("no table"))
        return int(self._table.version())

    def contents(self) -> dict[date, str]:
        """Return each partition's content_sha256 at this version; empty if there is no table."""
        if self._table is None:
            return {}
        actions = pa.table(self._table.get_add_actions(flatten=True))
        columns = (actions[f"partition.{name}"].to_pylist() for name in _PARTITIONED_BY)
        return dict(zip(*columns, strict=True))

    def commit(self, partition: StagedPartition) -> bool:
        """Replace one partition by its staged rows; return False without a new version if the table holds that content.

        Rows stream from staging. A commit that conflicts with another is attempted ten times; then TransientError is
        raised. Raises also BadInputError if the store is full or the staged file is damaged.
        """
        tries = Retrying(
            retry=retry_if_exception_type(CommitFailedError),
            wait=wait_random_exponential(multiplier=0.1, max=_MAX_WAIT_SECONDS),
            stop=stop_after_attempt(_TRIES),
            reraise=True,
        )
        try:
            return bool(tries(self._commit_once, partition))
        except OSError as error:
            raise files.storage_full(self._uri, error) from error
        except DeltaError as error:
            raise self._failed(error) from error

    def _commit_once(self, partition: StagedPartition) -> bool:
        self.refresh()
        table = self._table or self._create()
        if self.contents().get(partition.partition) == partition.content_sha256:
            log.info("partition %s: the table holds this content already", partition.partition)
            return False
        table = self._evolved(table)
        rows = _StagedRows(partition, pa.schema(table.schema()))
        try:
            self._write(table, partition, rows)
        except DeltaError:
            if rows.failure is not None:  # DeltaError holds only the text of the original exception
                raise rows.failure from None
            raise
        self.refresh()
        log.info("partition %s: %s rows committed, version %s", partition.partition, partition.rows, self.version)
        return True

    def _evolved(self, table: DeltaTable) -> DeltaTable:
        """Add the workload's columns that the table lacks; return the table."""
        held = pa.schema(table.schema()).names
        if added := [field for field in self._schema if field.name not in held]:
            table.alter.add_columns(
                list(Schema.from_arrow(pa.schema(added)).fields),
                commit_properties=CommitProperties(custom_metadata=self._run),
            )
            log.info("columns %s are added to the table", [field.name for field in added])
            table = self._refreshed()
        return table

    def _write(self, table: DeltaTable, partition: StagedPartition, rows: "_StagedRows") -> None:
        write_deltalake(
            table,  # the version that was checked: a commit made since then is a conflict
            pa.RecordBatchReader.from_batches(rows.schema, rows),
            mode="overwrite",
            predicate=f"{PARTITION_COLUMN} = '{partition.partition.isoformat()}'",
            partition_by=_PARTITIONED_BY,
            target_file_size=_FILE_BYTES,
            writer_properties=WriterProperties(
                compression="ZSTD", compression_level=3, max_row_group_size=_ROW_GROUP_ROWS
            ),
            commit_properties=CommitProperties(
                custom_metadata={
                    **self._run,
                    "partition": partition.partition.isoformat(),
                    "source": partition.source_uri,
                }
            ),
        )

    def _create(self) -> DeltaTable:
        DeltaTable.create(
            self._uri,
            self._schema,
            mode="ignore",
            storage_options=self._options,
            partition_by=_PARTITIONED_BY,
            # No column statistics in the log: readers choose files by partition only.
            configuration={"delta.dataSkippingNumIndexedCols": "0"},
            # A retry of a creation that lost the race would become version 1, over the table that the winner created.
            commit_properties=CommitProperties(custom_metadata=self._run, max_commit_retries=0),
        )
        return self._refreshed()

    def _refreshed(self) -> DeltaTable:
        self.refresh()
        if self._table is None:
            raise self._failed(FileNotFoundError("no table"))
        return self._table

    def _failed(self, error: Exception) -> TransientError:
        return TransientError(
            f"the table could not be read or committed to: {error}",
            where=self._uri,
            rule="a commit lands whole, or nothing of it is visible",
            remedy="let the task be retried; if it stays, check the store and who else writes there",
        )


class _StagedRows:
    """Iterator of a partition's staged rows in the table's columns and types; ``failure`` holds its exception, if any.

    Unsigned integers become the next wider type, since Delta has signed ones only.
    """

    def __init__(self, partition: StagedPartition, schema: pa.Schema) -> None:
        self.schema = schema
        self.failure: Exception | None = None
        self._partition = partition

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in parquet_batches(self._partition.file_uri):
                content = pa.repeat(self._partition.content_sha256, batch.num_rows)
                whole = batch.append_column(CONTENT_COLUMN, content)
                columns = [whole.column(field.name).cast(field.type) for field in self.schema]
                yield pa.record_batch(columns, schema=self.schema)
        except Exception as error:
            self.failure = error
            raise
