"""Deduplication and measurements on Spark. Spark supplies only the shuffle and the executors: Millrace's own code reads
and writes the files, so that executors need no Hadoop connector, credentials come from the usual environment variables,
and a row has the same hash with and without Spark. Importing this module needs PySpark.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.pandas.types import from_arrow_schema

from millrace.contracts.data import Dataset, StagedPartition
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.report import ErrorDetail
from millrace.storage import files
from millrace_data.measure import Measurements, parquet_batches
from millrace_data.unique import Rows, keys, without

_GROUPS_A_TASK = 16  # row groups; staging writes them with 8 MiB in memory each
_LOCAL_SHUFFLE_PARTITIONS = 16
_SUBMITTED = "PYSPARK_GATEWAY_PORT"


class Spark:
    """Context manager of a Spark session: spark-submit's, or a local one with all cores and a quarter of the memory.

    Entering it raises RefusedError if there is no Java.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes

    def __enter__(self) -> Self:
        if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
            raise RefusedError(
                "there is no Java",
                where="PATH, JAVA_HOME",
                rule="Spark runs on Java 17",
                remedy="install one, or raise MILLRACE_SPARK_FROM_BYTES so that one process does it",
            )
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.appName("millrace").config("spark.ui.showConsoleProgress", "false")
        if _SUBMITTED not in os.environ:
            builder = builder.master("local[*]").config("spark.ui.enabled", "false")
            builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
            builder = builder.config("spark.driver.memory", f"{max(1024, self._memory_bytes >> 22)}m")
            # Spark's default suits a cluster. Each partition is a task; what does not fit into memory is spilled.
            builder = builder.config("spark.sql.shuffle.partitions", _LOCAL_SHUFFLE_PARTITIONS)
        self.session = builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        return self

    def __exit__(self, *_: object) -> None:
        self.session.stop()

    def once(
        self, found: Sequence[Rows], staged: Sequence[StagedPartition], dataset: Dataset, folder_uri: str
    ) -> tuple[StagedPartition, ...]:
        """Return the staged partitions without rows that an earlier day has; see unique.without."""
        listed = [(rows.day.isoformat(), rows.uri, rows.staged) for rows in found]
        files_ = self._spread(listed, "day string, uri string, staged boolean")
        rows = files_.mapInArrow(_read_keys(dataset), "day string, key binary, staged boolean")
        first = rows.groupBy("key").agg(sql.min("day").alias("first"))
        repeats = rows.filter("staged").join(first, "key").filter("day > first").select("day", "key")
        by_day = {partition.partition.isoformat(): partition for partition in staged}
        written = repeats.groupBy("day").applyInArrow(
            _rewrite(by_day, dataset, folder_uri), "partition string, error string"
        )
        changed = [_told(row.partition, row.error) for row in written.collect()]
        by_day |= {partition.partition.isoformat(): partition for partition in changed}
        return tuple(by_day[partition.partition.isoformat()] for partition in staged)

    def measurements(self, uri: str, dataset: Dataset) -> DataFrame:
        """Return a staged file's measurements, one row for each row; see Measurements."""
        system, path = files.locate(uri)
        with system.open_input_file(path) as stream:
            footer = pq.read_metadata(stream)
        groups = list(range(footer.num_row_groups))
        listed = [(uri, groups[start : start + _GROUPS_A_TASK]) for start in range(0, len(groups), _GROUPS_A_TASK)]
        spread = self._spread(listed, "uri string, groups array<int>")
        nothing = pa.RecordBatch.from_pylist([], footer.schema.to_arrow_schema())
        schema = from_arrow_schema(_plain(Measurements(dataset).measured(nothing)).schema)
        return spread.mapInArrow(_measure(dataset), schema)

    def _spread(self, listed: list[Any], schema: str) -> DataFrame:
        """Return a data frame with one Spark task for each entry."""
        return self.session.createDataFrame(self.session.sparkContext.parallelize(listed, max(1, len(listed))), schema)


Batches = Iterable[pa.RecordBatch]


def _read_keys(dataset: Dataset) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def read(batches: Batches) -> Iterator[pa.RecordBatch]:
        for row in (row for batch in batches for row in batch.to_pylist()):
            for key in keys(row["uri"], dataset):
                count = len(key)
                yield pa.record_batch(
                    [pa.repeat(row["day"], count), key.cast(pa.binary()), pa.repeat(row["staged"], count)],
                    names=["day", "key", "staged"],
                )

    return read


def _rewrite(by_day: dict[str, StagedPartition], dataset: Dataset, folder_uri: str) -> Callable[[pa.Table], pa.Table]:
    def rewrite(repeats: pa.Table) -> pa.Table:
        partition = by_day[repeats["day"][0].as_py()]
        document = partition.model_dump_json()
        error = None
        try:
            document = without(partition, repeats["key"].to_pylist(), dataset, folder_uri).model_dump_json()
        except BadInputError as found:  # Spark would replace the exception by its own text
            error = ErrorDetail.of(found).model_dump_json()
        return pa.table({"partition": pa.array([document], pa.string()), "error": pa.array([error], pa.string())})

    return rewrite


def _told(partition: str, error: str | None) -> StagedPartition:
    if error is not None:
        found = ErrorDetail.model_validate_json(error)
        raise BadInputError(found.what, where=found.where, rule=found.rule, remedy=found.remedy)
    return StagedPartition.model_validate_json(partition)


def _measure(dataset: Dataset) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def measure(batches: Batches) -> Iterator[pa.RecordBatch]:
        measurements = Measurements(dataset)
        for row in (row for batch in batches for row in batch.to_pylist()):
            for batch in parquet_batches(row["uri"], groups=row["groups"]):
                yield _plain(measurements.measured(batch))

    return measure


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch without dictionary encoding, which Spark does not accept."""
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
    ]
    return pa.record_batch(columns, names=batch.schema.names)
