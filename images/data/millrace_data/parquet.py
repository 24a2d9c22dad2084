"""A Parquet file of arrivals as record batches of the declared columns and types."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError, TransientError
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data.schema import check_names, source_schema
from millrace_data.streams import Digest, store_failed

_BUFFER_BYTES = 1 << 20


def batches(uri: str, dataset: Dataset, digest: Digest, block_bytes: int) -> Iterator[pa.RecordBatch]:
    """The file's rows in batches of about ``block_bytes``; ``digest`` is complete when the last one was taken."""
    if compression(uri):
        raise BadInputError(
            "a Parquet file cannot be read through gzip or zstd",
            where=uri,
            rule="Parquet is compressed inside, its footer is read first",
            remedy="write it as .parquet with the compression inside",
        )
    hashing = _Hashing(uri, digest)
    hashing.start()
    try:
        schema = source_schema(dataset)
        system, path = files.locate(uri)
        with pq.ParquetFile(system.open_input_file(path), buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            _check_types(file.schema_arrow, schema, dataset, uri)
            rows = _batch_rows(file.metadata, block_bytes)
            for batch in file.iter_batches(batch_size=rows, columns=schema.names):
                yield pa.record_batch([batch.column(field.name).cast(field.type) for field in schema], schema=schema)
    finally:
        hashing.finish()


class _Hashing(threading.Thread):
    """Digests a file that is read out of order, in its own pass beside the reading."""

    def __init__(self, uri: str, digest: Digest) -> None:
        super().__init__(name="digest", daemon=True)
        self._uri = uri
        self._digest = digest
        self._failure: TransientError | None = None

    def run(self) -> None:
        try:
            for chunk in files.chunks(self._uri):
                self._digest.update(chunk)
        except OSError as error:
            self._failure = store_failed(self._uri, error)

    def finish(self) -> None:
        """Wait for the pass. Raises TransientError where the store failed it."""
        self.join()
        if self._failure is not None:
            raise self._failure


def _batch_rows(metadata: pq.FileMetaData, block_bytes: int) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(1 << 16, int(block_bytes / max(1.0, row_bytes))))


def _check_types(found: pa.Schema, schema: pa.Schema, dataset: Dataset, uri: str) -> None:
    check_names(found.names, dataset, uri)
    for field in schema:
        if _logical(found.field(field.name).type) != field.type:
            raise BadInputError(
                f"the column is {found.field(field.name).type}",
                where=f"{uri}, field {field.name!r}",
                rule=f"{field.type}, as the workload declares",
                remedy="write the file with that type, or change the declaration",
            )


def _logical(kind: pa.DataType) -> pa.DataType:
    """The type without its layout: large, dictionary-encoded and view strings are strings, large lists are lists."""
    if pa.types.is_dictionary(kind):
        return _logical(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_logical(kind.value_type))
    return kind
