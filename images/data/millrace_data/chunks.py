"""Chunks of a text: pieces of whole rows, each of which can be read independently."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.arrival_errors import refuse_length, row_limit_bytes
from millrace_data.streams import Text

CHUNK_BYTES = 2 << 20
_FIRST_CHUNKS_SHARE = 16
_CHUNK_LINES = 1 << 15
_LINE_END = ord("\n")


NOWHERE: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Chunk:
    """Whole rows with their line ends: the first ``end`` bytes of ``text``; ``line`` is the first line's number.

    ``regular``: the format's simple rule, which pyarrow follows too, separates the rows. ``marks`` holds the positions
    of a regular chunk's quotes (CSV) or line ends (JSON Lines).
    """

    text: bytes | bytearray
    end: int
    line: int
    regular: bool = True
    marks: NDArray[np.int64] = field(default_factory=lambda: NOWHERE, compare=False)

    @property
    def data(self) -> bytes:
        """A copy of the rows' bytes; the fast path uses ``buffer``, which copies nothing."""
        return bytes(memoryview(self.text)[: self.end])

    @property
    def signs(self) -> NDArray[np.uint8]:
        """The rows' bytes as an array (uint8)."""
        return np.frombuffer(self.text, np.uint8, self.end)

    @property
    def buffer(self) -> pa.Buffer:
        """The rows' bytes as a buffer of pyarrow."""
        return pa.py_buffer(self.text).slice(0, self.end)

    def is_utf8(self) -> bool:
        """Return whether the rows are UTF-8."""
        if self.signs.max(initial=0) < _NOT_ASCII:
            return True
        ends = pa.py_buffer(np.array([0, self.end], np.int32))
        try:
            pa.StringArray.from_buffers(1, ends, self.buffer).validate(full=True)
        except pa.ArrowInvalid:
            return False
        return True


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read: its first line's number, its bytes and the error."""

    line: int
    text: bytes
    error: BadInputError


@dataclass(frozen=True)
class Rows:
    """The rows of a chunk in the declared columns, the unreadable rows, and names of columns that are not declared."""

    batch: pa.RecordBatch
    bad: tuple[BadRow, ...] = ()
    extra_names: frozenset[str] = field(default=frozenset())


R = TypeVar("R")


def one_by_one(
    rows: Iterable[tuple[int, bytes, R]], values: Callable[[R], list[object]], schema: pa.Schema, first_bad_only: bool
) -> tuple[pa.RecordBatch, tuple[BadRow, ...]]:
    """Convert rows (line, text, row) with ``values``; return the batch and the rows for which it raises BadInputError.

    With ``first_bad_only``, it stops at the first bad row.
    """
    columns: list[list[object]] = [[] for _ in schema]
    bad: list[BadRow] = []
    for line, text, row in rows:
        try:
            found = values(row)
        except BadInputError as error:
            # the traceback's frames hold the row and more, gigabytes for a million bad rows
            error.__traceback__ = error.__context__ = None
            bad.append(BadRow(line, text, error))
            if first_bad_only:
                break
            continue
        for column, value in zip(columns, found, strict=True):
            column.append(value)
    held = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.record_batch(held, schema=schema), tuple(bad)


class Cut(NamedTuple):
    """End of the last whole row, 0 without one; ``lines`` is 0 if they were not counted. For other fields see Chunk."""

    end: int
    regular: bool
    marks: NDArray[np.int64] = NOWHERE
    lines: int = 0


class Cutter(Protocol):
    """Finds where a format's rows end."""

    def cut(self, data: bytes | bytearray, line: int, at_end: bool) -> Cut:
        """Cut data that begins with a row. Raises BadInputError if rows can no longer be told apart."""


def chunks(text: Text, cutter: Cutter, uri: str, dataset: Dataset) -> Iterator[Chunk]:
    """Yield the text in chunks of about 2 MiB or about 32,768 lines, larger if a single row is.

    A line end is added to the last line if it has none. Raises BadInputError for a row beyond ``row_limit_bytes``.
    """
    limit_bytes = row_limit_bytes(dataset)
    data, line, wanted_bytes, at_end = bytearray(), 1, CHUNK_BYTES // _FIRST_CHUNKS_SHARE + 1, False
    while True:
        if not at_end and len(data) < wanted_bytes:
            data, at_end = _filled(text, data, wanted_bytes)
        if not data:
            return
        end, regular, marks, lines = cutter.cut(data, line, at_end)
        if end:
            chunk = Chunk(data, end, line, regular, marks)
            yield chunk
            lines = lines or int(np.count_nonzero(_is(chunk.signs, _LINE_END)))
            line += lines
            # the number of lines is limited too, since each bad row of a chunk is kept in memory with its error
            data, wanted_bytes = data[end:], min(CHUNK_BYTES, end * _CHUNK_LINES // lines)
        elif len(data) > limit_bytes:
            refuse_length(uri, line, dataset)
        elif at_end:
            raise AssertionError("a cutter ends the last row of a text, or refuses it")
        else:
            # doubling bounds the repeated scans of a long row
            wanted_bytes = min(2 * len(data), limit_bytes + 1)


def _filled(text: Text, data: bytearray, wanted_bytes: int) -> tuple[bytearray, bool]:
    """Return the data extended to ``wanted_bytes``, and whether the text has ended."""
    whole = bytearray(wanted_bytes)
    size = len(data)
    whole[:size] = data
    with memoryview(whole) as view:
        while size < wanted_bytes and (more := text.readinto(view[size:])):
            size += more
    if size == wanted_bytes:
        return whole, False
    del whole[size:]
    if whole and not whole.endswith(b"\n"):
        whole += b"\n"
    return whole, True


def positions(signs: NDArray[np.uint8], sign: int) -> NDArray[np.int64]:
    """Return the positions of a byte, ascending; much faster than a loop."""
    mask = _is(signs, sign)
    whole = len(mask) // _WORD_BYTES * _WORD_BYTES
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    if len(words) > whole // _DENSE:
        return np.flatnonzero(mask)
    # most words do not contain the byte: only the others are searched byte by byte
    row, column = np.nonzero(mask[:whole].reshape(-1, _WORD_BYTES)[words])
    return np.concatenate([words[row] * _WORD_BYTES + column, whole + np.flatnonzero(mask[whole:])])


def _is(signs: NDArray[np.uint8], sign: int) -> NDArray[np.bool_]:
    """Return a mask of the byte, in memory that the thread's next call reuses: allocating costs more than searching."""
    mask: NDArray[np.bool_] | None = getattr(_memory, "mask", None)
    if mask is None or len(mask) < len(signs):
        mask = _memory.mask = np.empty(max(len(signs), 2 * CHUNK_BYTES), np.bool_)
    return np.equal(signs, sign, out=mask[: len(signs)])


_memory = threading.local()
_WORD_BYTES = 8
_DENSE = 64  # one word in eight
_NOT_ASCII = 0x80
