"""A day's file of arrivals as record batches, whatever its format, every stored byte digested on the way."""

import threading
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError, TransientError
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data.schema import source_schema
from millrace_data.streams import (
    CountsQuotes,
    Digest,
    NoLeadingNull,
    Readable,
    StoredBytes,
    decompressed,
    store_failed,
)

BLOCK_BYTES = 1 << 20
LIST_SEPARATOR = "|"


class LongRowError(Exception):
    """A row does not fit into a block."""


class OddQuotesError(Exception):
    """A CSV file, read to its end without complaint, has an odd number of quotes: one may have swallowed rows."""


Over = Callable[[Readable], Readable]


def batches(
    uri: str, dataset: Dataset, digest: Digest, block_bytes: int = BLOCK_BYTES, over: Over | None = None
) -> Iterator[pa.RecordBatch]:
    """The file's rows in batches of about ``block_bytes``, in the declared columns and types, ``over`` its text.

    Raises LongRowError for a row beyond a block, OddQuotesError after the last batch, NullLineError, pyarrow's errors
    and OSError for what the format's reader refuses, BadInputError for columns that are not the declared ones.
    ``digest`` is complete when the last batch was taken.
    """
    if dataset.source.format == "parquet":
        yield from _parquet(uri, dataset, digest, block_bytes)
        return
    stored = StoredBytes(uri, digest)
    text = decompressed(stored, uri)
    if over is not None:
        text = over(text)
    quotes = CountsQuotes(text)
    try:
        if dataset.source.format == "jsonl":
            yield from _json_lines(text, dataset, block_bytes)
        else:
            yield from _delimited(quotes, uri, dataset, block_bytes)
    except pa.ArrowInvalid as error:
        if "straddl" in str(error):
            raise LongRowError from error
        raise
    while stored.read(BLOCK_BYTES):
        pass
    # what lies over the text has told its records apart already
    if dataset.source.format == "csv" and over is None and quotes.quotes % 2:
        raise OddQuotesError


def _json_lines(stream: Readable, dataset: Dataset, block_bytes: int) -> Iterator[pa.RecordBatch]:
    yield from pajson.open_json(
        NoLeadingNull(stream),
        read_options=pajson.ReadOptions(block_size=block_bytes, use_threads=block_bytes <= BLOCK_BYTES),
        parse_options=pajson.ParseOptions(
            explicit_schema=source_schema(dataset),
            unexpected_field_behavior="error" if dataset.extra_columns == "refuse" else "ignore",
        ),
    )


def _delimited(stream: Readable, uri: str, dataset: Dataset, block_bytes: int) -> Iterator[pa.RecordBatch]:
    schema = source_schema(dataset)
    flat = {field.name: pa.string() if pa.types.is_list(field.type) else field.type for field in schema}
    is_csv = dataset.source.format == "csv"
    reader = pacsv.open_csv(
        stream,
        read_options=pacsv.ReadOptions(block_size=block_bytes),
        parse_options=pacsv.ParseOptions(
            delimiter="," if is_csv else "\t", quote_char='"' if is_csv else False, newlines_in_values=is_csv
        ),
        convert_options=pacsv.ConvertOptions(column_types=flat, null_values=[""], strings_can_be_null=False),
    )
    check_names(reader.schema.names, dataset, uri)
    for batch in reader:
        columns = [batch.column(field.name) for field in schema]
        yield pa.record_batch(
            [
                _lists(column) if pa.types.is_list(field.type) else column
                for field, column in zip(schema, columns, strict=True)
            ],
            schema=schema,
        )


def _lists(texts: pa.StringArray) -> pa.ListArray:
    items = pc.split_pattern(texts, LIST_SEPARATOR)
    return pc.if_else(pc.equal(texts, ""), pa.scalar([], items.type), items)


def check_names(found: list[str], dataset: Dataset, uri: str) -> None:
    """Raises BadInputError unless the columns are the declared ones, each once, in any order.

    Where the workload drops others, they do not count.
    """
    declared = [column.name for column in dataset.columns]
    if dataset.extra_columns == "drop":
        found = [name for name in found if name in declared]
    if sorted(found) == sorted(declared):
        return
    missing, extra = sorted(set(declared) - set(found)), sorted(set(found) - set(declared))
    twice = sorted({name for name in found if found.count(name) > 1})
    said = {"missing": missing, "not declared": extra, "there twice": twice}
    raise BadInputError(
        "the columns are not the declared ones: " + "; ".join(f"{names} {how}" for how, names in said.items() if names),
        where=uri,
        rule=f"exactly the columns {declared}, in any order",
        remedy="correct the file, or declare its columns in the workload",
    )


def _parquet(uri: str, dataset: Dataset, digest: Digest, block_bytes: int) -> Iterator[pa.RecordBatch]:
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
        with pq.ParquetFile(system.open_input_file(path), buffer_size=BLOCK_BYTES, pre_buffer=False) as file:
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
