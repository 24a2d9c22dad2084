"""Reader of a Parquet file of arrivals, as record batches of the declared columns and types of limited size.

A few bytes of a page can decode to gigabytes of values: dictionary and run-length encoding store a value once for many
rows, so that neither the file's size nor its footer shows the decoded size.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts.column_types import ColumnKind
from millrace.contracts.data import Column, Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data.arrival_errors import damaged
from millrace_data.schema import arrow_type, check_names, extra_names, item_kind, source_schema
from millrace_data.streams import Digest, store_failed

MAX_BATCH_ROWS = 1 << 16
MAX_BATCH_BYTES = 64 << 20
MAX_CHUNK_BYTES = 1 << 30
MAX_EXPANSION = 1000
ALWAYS_TAKEN_BYTES = 4 << 30
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_BUFFER_BYTES = 1 << 20
_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the footer's length and the magic
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_VALUE_RULES = {
    "float": "whole numbers as a float holds them all, up to 2**24 (float32) or 2**53 (float64)",
    "timestamp": "whole microseconds of the years 1 to 9999",
    "date": "whole days",
}
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
_RULE = "a type each of whose values is one of the declared type"


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


def batches(
    uri: str, dataset: Dataset, digest: Digest, block_bytes: int
) -> Iterator[tuple[pa.RecordBatch, frozenset[str]]]:
    """Yield the file's rows in batches of about ``block_bytes``, each with the names of columns that are not declared.

    A column is accepted if every value of its type is a value of the declared type (int32 for int64, a dictionary of
    texts for string). Integers for a float, and nanoseconds for a timestamp, are accepted if each value present
    converts exactly. Raises BadInputError if the file is damaged, and for other columns, types and values, with column,
    found type and rule; TransientError if the store fails while the file is digested. ``digest`` is complete after the
    last batch.
    """
    if compression(uri):
        raise BadInputError(
            "a Parquet file cannot be read through gzip or zstd",
            where=uri,
            rule="Parquet is compressed inside, its footer is read first",
            remedy="write it as .parquet with the compression inside",
        )
    expansion = Expansion(files.size_bytes(uri), uri)
    # Parquet is read out of order, so the file is digested in a sequential pass of its own
    hashing = ThreadPoolExecutor(1, thread_name_prefix="digest")
    hashed = hashing.submit(_hash, uri, digest)
    hashing.shutdown(wait=False)
    try:
        schema, columns, rows_before = source_schema(dataset), dataset.columns, 0
        for batch, names in _stored(uri, dataset, block_bytes):
            converted = [_converted(batch.column(column.arrives_as), column, uri, rows_before) for column in columns]
            rows = pa.record_batch(converted, schema=schema)
            expansion.add(rows)
            yield rows, names
            rows_before += batch.num_rows
    finally:
        hashed.result()


def _stored(uri: str, dataset: Dataset, block_bytes: int) -> Iterator[tuple[pa.RecordBatch, frozenset[str]]]:
    """Yield the columns as stored, after checking their types, so that a failure of pyarrow means a damaged file."""
    system, path = files.locate(uri)
    try:
        with (
            system.open_input_file(path) as stored,
            pq.ParquetFile(
                stored, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
            ) as file,
        ):
            _refuse_another_file(stored, file.metadata, uri)
            check_names(file.schema_arrow.names, dataset, uri)
            for column in dataset.columns:
                _check_type(file.schema_arrow.field(column.arrives_as).type, column, uri)
            names = [column.arrives_as for column in dataset.columns]
            extra = extra_names(file.schema_arrow.names, dataset)
            for group, rows in reads(stored, file, names, uri, block_bytes):
                for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=names):
                    yield batch, extra
    except MemoryError:  # pyarrow's is an ArrowException too, but does not mean a damaged file
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # UnicodeDecodeError: a column's name
        raise damaged(uri, "Parquet") from error


def _refuse_another_file(stored: pa.NativeFile, metadata: pq.FileMetaData, uri: str) -> None:
    """Raise BadInputError if one file's end and another's beginning lie between the footer and the data that it names.

    Such a file is several joined files: the footer is the last one's, but its offsets point into the first one.
    """
    footer = stored.size() - _TAIL_BYTES - metadata.serialized_size
    chunks = (
        metadata.row_group(g).column(c) for g in range(metadata.num_row_groups) for c in range(metadata.num_columns)
    )
    at = max((_begin(chunk) + chunk.total_compressed_size for chunk in chunks), default=footer)
    kept = b""
    while at < footer and (piece := stored.read_at(min(_BUFFER_BYTES, footer - at), at)):
        if _MAGIC * 2 in kept + piece:
            raise BadInputError(
                "several Parquet files were joined into one",
                where=uri,
                rule="a Parquet file has one footer, at its end, that describes all of it",
                remedy="write the day's rows into one Parquet file, with pyarrow or Spark: files cannot be appended",
            )
        kept, at = piece[1 - 2 * len(_MAGIC) :], at + len(piece)


def _begin(chunk: pq.ColumnChunkMetaData) -> int:
    first = chunk.data_page_offset
    return int(min(first, chunk.dictionary_page_offset) if chunk.has_dictionary_page else first)


def _hash(uri: str, digest: Digest) -> None:
    try:
        for chunk in files.chunks(uri):
            digest.update(chunk)
    except OSError as error:
        raise store_failed(uri, error) from error


def _check_type(found: pa.DataType, column: Column, uri: str) -> None:
    if _is_taken(found, column.kind):
        return
    remedy = "write the file with that type, or declare the one that is found"
    if pa.types.is_timestamp(found) and column.kind.kind == "timestamp":
        remedy = "write it with a time zone, in UTC (Parquet: isAdjustedToUTC; Spark: TIMESTAMP_MICROS, not INT96)"
    raise BadInputError(
        f"the column is {found}" + (" without a time zone" if pa.types.is_timestamp(found) and not found.tz else ""),
        where=f"{uri}, field {column.arrives_as!r}",
        rule=f"{column.type}, as the workload declares, or {_RULE}",
        remedy=remedy,
    )


def _is_taken(found: pa.DataType, kind: ColumnKind) -> bool:
    if isinstance(found, pa.BaseExtensionType):
        return _is_taken(found.storage_type, kind)
    if pa.types.is_dictionary(found):
        return _is_taken(found.value_type, kind)
    if pa.types.is_null(found):
        return True
    match kind.kind:
        case "string":
            return any(test(found) for test in _TEXTS)
        case "binary":
            return any(test(found) for test in _BINARY)
        case "bool":
            return bool(pa.types.is_boolean(found))
        case "date":
            return bool(pa.types.is_date(found))
        case "timestamp":
            return pa.types.is_timestamp(found) and found.tz is not None
        case "integer" | "float" | "decimal":
            return _is_number_taken(found, kind)
    return any(test(found) for test in _LISTS) and _is_taken(found.value_type, item_kind(kind))


def _is_number_taken(found: pa.DataType, kind: ColumnKind) -> bool:
    if pa.types.is_integer(found):
        signed = pa.types.is_signed_integer(found)
        if kind.kind == "integer":
            first, last = ColumnKind("integer", bits=found.bit_width, signed=signed).bounds
            return kind.bounds[0] <= first and last <= kind.bounds[1]
        digits = 19 if found.bit_width == 64 and signed else _DIGITS[found.bit_width]
        return kind.kind == "float" or kind.precision - kind.scale >= digits
    if pa.types.is_floating(found):
        return kind.kind == "float" and found.bit_width <= kind.bits
    if not pa.types.is_decimal(found):
        return False
    if kind.kind == "integer":
        return bool(found.scale <= 0 and 10 ** (found.precision - found.scale) - 1 <= kind.bounds[1] and kind.signed)
    before_the_point = kind.precision - kind.scale >= found.precision - found.scale
    return kind.kind == "decimal" and before_the_point and kind.scale >= found.scale


def _converted(array: pa.Array, column: Column, uri: str, rows_before: int) -> pa.Array:
    try:
        return _convert(array, column.kind)
    except pa.ArrowInvalid:
        row = next(index for index in range(len(array)) if not _is_convertible(array.slice(index, 1), column.kind))
        leaf = column.kind
        while leaf.kind == "list":
            leaf = item_kind(leaf)
        raise BadInputError(
            f"a value of type {array.type} is none of {column.type}",
            where=f"{uri}, row {rows_before + row + 1}, field {column.arrives_as!r}",
            rule=_VALUE_RULES.get(leaf.kind, _RULE),
            remedy="correct the row, or declare a type that holds it",
        ) from None


def _is_convertible(array: pa.Array, kind: ColumnKind) -> bool:
    try:
        _convert(array, kind)
    except pa.ArrowInvalid:
        return False
    return True


def _convert(array: pa.Array, kind: ColumnKind) -> pa.Array:
    """Return the values in the declared type. Raises ArrowInvalid if one cannot be converted."""
    wanted = arrow_type(kind)
    if array.type.equals(wanted):
        return array
    if isinstance(array, pa.ExtensionArray):
        return _convert(array.storage, kind)
    if isinstance(array, pa.DictionaryArray):
        return _convert(array.dictionary_decode(), kind)
    if kind.kind == "list" and not pa.types.is_null(array.type):
        return _convert_lists(array, item_kind(kind))
    return array.cast(wanted)


def _convert_lists(array: pa.Array, item: ColumnKind) -> pa.Array:
    # built from the items, since pyarrow 26 casts a list view with nulls to empty lists
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    missing = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), _convert(pc.list_flatten(array), item), mask=missing)
