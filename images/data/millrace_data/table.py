"""The Delta table of a workload's dataset: commits by partition, each content once."""

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

    A partition's rows carry the ``content_sha256`` they came from as a second partition column, so that it lives and
    dies with them: in every checkpoint, after vacuum, a restore or a deletion. The history of the table says for each
    version which ``run`` made it, of which partition and from which source. A nullable column that the workload has
    since is added by the next commit; rows of before have no value there.
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
        """See what others committed. Raises BadInputError, with the difference, where the workload's columns are other
        than the table's and no evolution of them.
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
        """The version seen. Raises TransientError where there is no table."""
        if self._table is None:
            raise self._failed(FileNotFoundError("no table"))
        return int(self._table.version())

    def contents(self) -> dict[date, str]:
        """Each partition's content_sha256 at this version."""
        if self._table is None:
            return {}
        actions = pa.table(self._table.get_add_actions(flatten=True))
        columns = (actions[f"partition.{name}"].to_pylist() for name in _PARTITIONED_BY)
        return dict(zip(*columns, strict=True))

    def commit(self, partition: StagedPartition) -> bool:
        """Replace one partition by its staged rows; False, and no new version, where the table holds that content.

        Rows stream from staging. A commit that lost a race is tried again, ten times; then it is a TransientError.
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
            raise files.no_room(self._uri, error) from error
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
            if rows.failure is not None:  # Delta has made a text of it
                raise rows.failure from None
            raise
        self.refresh()
        log.info("partition %s: %s rows committed, version %s", partition.partition, partition.rows, self.version)
        return True

    def _evolved(self, table: DeltaTable) -> DeltaTable:
        """The table with the columns that it did not have yet."""
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
            table,  # as it was looked at: what others committed since then is a conflict
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
            # No smallest and largest texts in the log: readers choose files by partition only.
            configuration={"delta.dataSkippingNumIndexedCols": "0"},
            # Retried, a creation that lost the race becomes version 1, over what the winner has begun.
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
    """A partition's staged rows in the table's columns and types, once through; ``failure`` is what ended them early.

    Delta has no unsigned integers: they become wider ones.
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
