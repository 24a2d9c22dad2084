"""A day's file of arrivals as record batches, whatever its format, every stored byte digested on the way."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson

from millrace.contracts.data import Dataset
from millrace_data import parquet
from millrace_data.schema import check_names, source_schema
from millrace_data.streams import (
    CountsQuotes,
    Digest,
    NoLeadingNull,
    Readable,
    StoredBytes,
    decompressed,
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
        yield from parquet.batches(uri, dataset, digest, block_bytes)
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
