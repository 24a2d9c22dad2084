"""Writers of a partition's files in staging: its rows as Parquet, and its unreadable rows with their reasons."""

import contextlib
import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace.storage.writing import WholeFile
from millrace_data.chunks import BadRow

COMPRESSION_LEVEL = 1
_WAITING_GROUPS = 2
_ROW_GROUP_BYTES = 8 << 20
_EXAMPLES = 5


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


class Quarantine:
    """Collects a day's unreadable rows up to ``max_bad_rows_share``; if that is 0, it raises the first row's error.

    The rows are written to ``uri`` as JSON Lines with ``line``, ``what``, ``rule`` and the row's ``text``. The file
    exists if there was such a row and the ``with`` block ended without an exception. Logs and errors contain no text of
    rows.
    """

    def __init__(self, source_uri: str, dataset: Dataset, uri: str) -> None:
        self.uri = uri
        self.rows = 0
        self._source_uri = source_uri
        self._share = dataset.max_bad_rows_share
        self._examples: list[str] = []
        self._file: WholeFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is None:
            return
        if kind is not None:
            self._file.discard()
            return
        try:
            self._file.publish()
        except OSError as failure:
            raise files.storage_full(self.uri, failure) from failure

    def take(self, rows: tuple[BadRow, ...]) -> None:
        """Keep rows. Raises the first row's BadInputError if the workload allows none, and storage_full's errors."""
        if not rows:
            return
        if not self._share:
            raise rows[0].error
        for row in rows:
            self.rows += 1
            if len(self._examples) < _EXAMPLES:
                place = row.error.where.removeprefix(self._source_uri).lstrip(", ")
                self._examples.append(f"{row.error.what} ({place})")
        try:
            self._write(rows)
        except OSError as failure:
            raise files.storage_full(self.uri, failure) from failure

    def _write(self, rows: tuple[BadRow, ...]) -> None:
        if self._file is None:
            self._file = files.open_whole(self.uri)
        for row in rows:
            kept = {
                "line": row.line,
                "what": row.error.what,
                "rule": row.error.rule,
                "text": row.text.decode(errors="replace"),
            }
            self._file.stream.write(json.dumps(kept, ensure_ascii=False).encode() + b"\n")

    def refuse_too_many(self, good_rows: int) -> None:
        """Raise BadInputError, with five rows' reasons and positions, if the share exceeds the declared one."""
        if self.rows and self.rows / (good_rows + self.rows) > self._share:
            raise BadInputError(
                f"{self.rows:,} of {good_rows + self.rows:,} rows cannot be read: {'; '.join(self._examples)}",
                where=self._source_uri,
                rule=f"at most a share of {self._share:g} (max_bad_rows_share)",
                remedy="correct the file, or raise the share in the workload",
            )
