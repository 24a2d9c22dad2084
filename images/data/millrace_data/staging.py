"""Writer of a partition's Parquet file in staging: in its own thread, published complete or not at all."""

import contextlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Dataset
from millrace.storage import files

COMPRESSION_LEVEL = 1
_WAITING_GROUPS = 2
_ROW_GROUP_BYTES = 8 << 20


class StagedFile:
    """Context manager that encodes batches in its own thread and publishes the file at exit.

    If the ``with`` block ends with an exception, no file remains. If a write fails, it raises TransientError, or
    BadInputError for a full store.
    """

    def __init__(self, folder_uri: str, name: str, schema: pa.Schema, repetitive: list[str]) -> None:
        self.uri = files.join(folder_uri, name)
        self._schema = schema
        self._repetitive = repetitive
        self._encoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode")
        self._waiting: deque[Future[None]] = deque()
        self._group: list[pa.RecordBatch] = []
        self._group_bytes = 0

    def __enter__(self) -> Self:
        try:
            self._file = files.open_whole(self.uri)
            self._writer = pq.ParquetWriter(
                self._file.stream,
                self._schema,
                compression="zstd",
                compression_level=COMPRESSION_LEVEL,
                # A staged file is read whole: statistics are of no use, nor is a dictionary of long texts.
                use_dictionary=self._repetitive,
                write_statistics=False,
            )
        except OSError as error:
            raise files.storage_full(self.uri, error) from error
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Queue rows of the schema; block while two row groups wait for the encoder."""
        self._group.append(batch)
        self._group_bytes += batch.nbytes
        if self._group_bytes >= _ROW_GROUP_BYTES:
            self._queue_group()

    def _queue_group(self) -> None:
        while len(self._waiting) >= _WAITING_GROUPS:
            self._settle()
        self._waiting.append(self._encoder.submit(self._write_group, self._group))
        self._group, self._group_bytes = [], 0

    def _write_group(self, batches: list[pa.RecordBatch]) -> None:
        self._writer.write_table(pa.Table.from_batches(batches, self._schema))

    def _settle(self) -> None:
        try:
            self._waiting.popleft().result()
        except OSError as error:
            raise files.storage_full(self.uri, error) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        done = False
        try:
            if kind is None:
                self._finish()
                done = True
        finally:
            self._encoder.shutdown(cancel_futures=True)
            if not done:
                self._discard()

    def _finish(self) -> None:
        if self._group:
            self._queue_group()
        while self._waiting:
            self._settle()
        try:
            self._writer.close()
            self._file.publish()
        except OSError as error:
            raise files.storage_full(self.uri, error) from error

    def _discard(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._writer.close()
        self._file.discard()


def repetitive(dataset: Dataset) -> list[str]:
    """Return the Parquet paths of columns with few distinct values: target, split and partition."""
    target = dataset.target.column
    is_list = dataset.column(target).kind.kind == "list"
    return [f"{target}.list.element" if is_list else target, SPLIT_COLUMN, PARTITION_COLUMN]
