"""Limits on the memory that a Parquet file's rows take: a few bytes of a page can decode to gigabytes of values.

Dictionary and run-length encoding store a value once for many rows, so that neither the file's size nor its footer
shows the decoded size.
"""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts.errors import BadInputError

MAX_BATCH_ROWS = 1 << 16
MAX_BATCH_BYTES = 64 << 20
MAX_CHUNK_BYTES = 1 << 30
MAX_EXPANSION = 1000
ALWAYS_TAKEN_BYTES = 4 << 30
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


def reads(
    stored: pa.NativeFile, file: pq.ParquetFile, names: Sequence[str], uri: str, block_bytes: int
) -> Iterator[tuple[int, int]]:
    """Yield each row group and how many of its rows to decode at once: about ``block_bytes``, at most 64 MiB decoded.

    The limit of 64 MiB assumes that every value is as long as the longest one in its column. Raises BadInputError if a
    column of a row group takes more than 1 GiB in memory and cannot be read in parts: lists, and pages that decompress
    to more than a thousand times their size.
    """
    metadata = file.metadata
    paths = [file.schema.column(index).path for index in range(metadata.num_columns)]
    wanted = [i for i, path in enumerate(paths) if path in names or path.startswith(tuple(f"{n}." for n in names))]
    texts = [i for i in wanted if file.schema.column(i).physical_type == "BYTE_ARRAY"]
    by_dictionary = pq.ParquetFile(
        stored, metadata=metadata, read_dictionary=[paths[i] for i in texts], pre_buffer=False
    )
    for group in range(metadata.num_row_groups):
        described = metadata.row_group(group)
        if not described.num_rows:
            continue
        longest = _longest(by_dictionary, group, [i for i in texts if described.column(i).has_dictionary_page])
        row_bytes = described.total_byte_size / described.num_rows
        worst_bytes = row_bytes
        for index in wanted:
            chunk, column = described.column(index), file.schema.column(index)
            value_bytes = _WIDTHS.get(column.physical_type) or longest.get(index, 0) or column.length or 0
            if column.max_repetition_level:
                _refuse_beyond(chunk.num_values * value_bytes, column.path, group, uri)
            else:
                worst_bytes += value_bytes
            if chunk.total_uncompressed_size > MAX_EXPANSION * chunk.total_compressed_size:
                _refuse_beyond(chunk.total_uncompressed_size, column.path, group, uri)
        rows = min(block_bytes / max(1.0, row_bytes), MAX_BATCH_BYTES / max(1.0, worst_bytes))
        yield group, max(1, min(MAX_BATCH_ROWS, int(rows)))


class Expansion:
    """Counts the memory of a file's rows; its limit is the greater of 4 GiB and a thousand times the file's size."""

    def __init__(self, stored_bytes: int, uri: str) -> None:
        self._limit_bytes = max(ALWAYS_TAKEN_BYTES, MAX_EXPANSION * stored_bytes)
        self._uri = uri
        self._taken_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch. Raises BadInputError above the limit."""
        self._taken_bytes += batch.nbytes
        if self._taken_bytes > self._limit_bytes:
            raise BadInputError(
                f"its rows take more than {self._limit_bytes:,} bytes in memory",
                where=self._uri,
                rule=f"at most {MAX_EXPANSION:,} bytes for each of the file, and 4 GiB for any",
                remedy="deliver long values that are repeated in a file of their own, or split the day",
            )


def _longest(file: pq.ParquetFile, group: int, indexes: Sequence[int]) -> dict[int, int]:
    """Return the bytes of the longest value in each column's dictionary, which reading the first row loads."""
    found: dict[int, int] = {}
    for index in indexes:
        path = file.schema.column(index).path
        batch = next(file.iter_batches(batch_size=1, row_groups=[group], columns=[path]), None)
        leaf = None if batch is None else batch.column(0)
        while leaf is not None and pa.types.is_nested(leaf.type):
            leaf = leaf.values  # lists are the only nested type that is accepted
        if isinstance(leaf, pa.DictionaryArray) and len(leaf.dictionary):
            found[index] = pc.max(pc.binary_length(leaf.dictionary)).as_py() or 0
    return found


def _refuse_beyond(taken_bytes: int, path: str, group: int, uri: str) -> None:
    if taken_bytes > MAX_CHUNK_BYTES:
        raise BadInputError(
            f"row group {group} takes {taken_bytes:,} bytes in memory",
            where=f"{uri}, column {path[:100]!r}",
            rule=f"at most {MAX_CHUNK_BYTES:,} bytes where a column cannot be read in parts",
            remedy="write smaller row groups",
        )
