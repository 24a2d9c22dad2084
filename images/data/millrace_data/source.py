"""Reader of a day's file of arrivals in any declared format; it digests every stored byte."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data import parquet
from millrace_data.arrival_errors import damaged
from millrace_data.chunks import CHUNK_BYTES, Chunk, Rows
from millrace_data.csv_rows import CsvRows
from millrace_data.first_bytes import HEAD_BYTES, refuse_foreign, refuse_unlike_parquet
from millrace_data.json_rows import JsonRows
from millrace_data.streams import Digest, Peeked, StoredBytes, as_utf8, decompressed, store_failed

_MARKS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}


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


def text_rows(uri: str, dataset: Dataset, digest: Digest) -> Iterator[Rows]:
    """Yield the file's rows in pieces of about 2 MiB of text. ``digest`` is complete after the last piece.

    Raises BadInputError if the file is damaged, if its columns are not the declared ones, or where rows can no longer
    be told apart; the rows before that point are yielded first. Raises TransientError if the store fails.
    """
    stored = StoredBytes(uri, digest)
    reader = JsonRows(uri, dataset) if dataset.source.format == "jsonl" else CsvRows(uri, dataset)
    chunks = _chunks(stored, uri, dataset, reader)
    first_bad_only = not dataset.max_bad_rows_share
    threads = pa.cpu_count()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
    try:
        waiting: deque[Future[Rows]] = deque()
        failure: BadInputError | None = None
        at_end = False
        while waiting or not at_end:
            # one chunk more than threads, so that no thread waits until the next chunk is cut
            while not at_end and len(waiting) <= threads:
                chunk, failure = _next(chunks)
                at_end = chunk is None
                if chunk is not None:
                    waiting.append(pool.submit(reader.rows, chunk, first_bad_only))
            if waiting:
                yield waiting.popleft().result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)
        stored.close()


def _next(chunks: Iterator[Chunk]) -> tuple[Chunk | None, BadInputError | None]:
    """Return the next chunk (None at the end) or the error, which is raised after the rows before it are checked."""
    try:
        return next(chunks, None), None
    except BadInputError as error:
        return None, error


def _chunks(stored: StoredBytes, uri: str, dataset: Dataset, reader: JsonRows | CsvRows) -> Iterator[Chunk]:
    encoding = dataset.source.dialect.encoding
    codec = compression(uri)
    try:
        whole = Peeked(stored, HEAD_BYTES)
        if codec is not None and not whole.head.startswith(_MARKS[codec]):
            refuse_foreign(whole.head, uri, f"{dataset.source.format} in {codec}, as the name says", encoding)
        text = Peeked(decompressed(whole, uri), HEAD_BYTES)
        refuse_foreign(text.head, uri, dataset.source.format, encoding)
        yield from reader.chunks(as_utf8(text, encoding, uri))
        while stored.read(CHUNK_BYTES):
            pass
    except OSError as error:
        raise damaged(uri, compression(uri) or "text") from error
