"""The Delta table of a workload's dataset: commits by partition, each content once."""

import logging
from collections.abc import Iterator, Mapping
from datetime import date

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
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
    version which ``run`` made it, of which partition and from which source.
    """

    def __init__(self, uri: str, dataset: Dataset, run: Mapping[str, str] | None = None) -> None:
        self._uri = uri
        self._run = dict(run or {})
        self._options = s3.delta_options(uri)
        self._schema = table_schema(dataset)
        self.refresh()

    def refresh(self) -> None:
        """See what others committed. Raises BadInputError where the table has other columns than the workload."""
        try:
            there = DeltaTable.is_deltatable(self._uri, self._options)
            self._table = DeltaTable(self._uri, storage_options=self._options) if there else None
        except (DeltaError, OSError) as error:
            raise self._failed(error) from error
        if self._table is None:
            return
        found = pa.schema(self._table.schema())
        if not found.equals(self._schema):
            raise BadInputError(
                "the table's columns are not the workload's",
                where=self._uri,
                rule=f"the table has {dict(zip(found.names, map(str, found.types), strict=True))}, "
                f"the workload {dict(zip(self._schema.names, map(str, self._schema.types), strict=True))}",
                remedy="a dataset keeps its columns: declare changed ones under a new workload name",
            )

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
        if self._table is None:
            self._create()
        if self.contents().get(partition.partition) == partition.content_sha256:
            log.info("partition %s: the table holds this content already", partition.partition)
            return False
        write_deltalake(
            self._table,  # as it was looked at: what others committed since then is a conflict
            pa.RecordBatchReader.from_batches(self._schema, self._staged_rows(partition)),
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
        self.refresh()
        log.info("partition %s: %s rows committed, version %s", partition.partition, partition.rows, self.version)
        return True

    def _create(self) -> None:
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
        self.refresh()

    def _staged_rows(self, partition: StagedPartition) -> Iterator[pa.RecordBatch]:
        for batch in parquet_batches(partition.file_uri):
            content = pa.repeat(partition.content_sha256, batch.num_rows)
            yield batch.append_column(CONTENT_COLUMN, content).select(self._schema.names)

    def _failed(self, error: Exception) -> TransientError:
        return TransientError(
            f"the table could not be read or committed to: {error}",
            where=self._uri,
            rule="a commit lands whole, or nothing of it is visible",
            remedy="let the task be retried; if it stays, check the store and who else writes there",
        )
