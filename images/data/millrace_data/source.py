"""Reader of a day's file of arrivals in any declared format; it digests every stored byte."""

from collections.abc import Iterator

from millrace.contracts.data import Dataset
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data import parquet
from millrace_data.chunks import CHUNK_BYTES, Rows
from millrace_data.first_bytes import HEAD_BYTES, refuse_unlike_parquet
from millrace_data.streams import Digest, store_failed
from millrace_data.text_rows import text_rows


def rows(uri: str, dataset: Dataset, digest: Digest) -> Iterator[Rows]:
    """Yield the file's rows in pieces of about 2 MiB, in the declared columns and types.

    Raises BadInputError if the file violates its declaration, TransientError if the store fails. ``digest`` is complete
    after the last piece.
    """
    read = _parquet_rows if dataset.source.format == "parquet" else text_rows
    yield from read(uri, dataset, digest)


def _parquet_rows(uri: str, dataset: Dataset, digest: Digest) -> Iterator[Rows]:
    if compression(uri) is None:
        refuse_unlike_parquet(_head(uri), uri)
    for batch, names in parquet.batches(uri, dataset, digest, CHUNK_BYTES):
        yield Rows(batch, extra_names=names)


def _head(uri: str) -> bytes:
    system, path = files.locate(uri)
    try:
        with system.open_input_stream(path, compression=None) as stream:
            return bytes(stream.read(HEAD_BYTES))
    except OSError as error:
        raise store_failed(uri, error) from error
