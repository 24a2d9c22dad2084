"""A text cut into pieces of whole rows, so that any of them can be read by itself."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.row_errors import refuse_length, row_limit_bytes
from millrace_data.transcode import Text

CHUNK_BYTES = 2 << 20
_FIRST_CHUNKS_SHARE = 16
_CHUNK_LINES = 1 << 15
_LINE_END = ord("\n")


NOWHERE: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True)
class Chunk:
    """Whole rows, each line with its end: the first ``end`` bytes of ``text``; ``line`` is the number of the first one.

    ``regular`` says that its rows can be told apart by the simple rule of the format, which pyarrow has, too;
    ``marks`` is where a regular one has quotes (CSV), or where its lines end (JSON Lines).
    """

    text: bytes | bytearray
    end: int
    line: int
    regular: bool = True
    marks: NDArray[np.int64] = field(default_factory=lambda: NOWHERE, compare=False)

    @property
    def data(self) -> bytes:
        """The rows; a copy, which the fast reading does without."""
        return bytes(memoryview(self.text)[: self.end])

    @property
    def signs(self) -> NDArray[np.uint8]:
        """The rows' bytes."""
        return np.frombuffer(self.text, np.uint8, self.end)

    @property
    def buffer(self) -> pa.Buffer:
        """The rows for pyarrow."""
        return pa.py_buffer(self.text).slice(0, self.end)

    def has(self, sign: bytes) -> bool:
        """Whether it is there."""
        return self.text.find(sign, 0, self.end) >= 0

    def is_utf8(self) -> bool:
        """Whether the rows are UTF-8."""
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
    """A row that cannot be read."""

    line: int
    text: bytes
    error: BadInputError


@dataclass(frozen=True)
class Rows:
    """The rows of a chunk in the declared columns, and those that could not be read."""

    batch: pa.RecordBatch
    bad: tuple[BadRow, ...] = ()
    extra_names: frozenset[str] = field(default=frozenset())


R = TypeVar("R")


def one_by_one(
    rows: Iterable[tuple[int, bytes, R]], values: Callable[[R], list[object]], schema: pa.Schema, first_bad_only: bool
) -> tuple[pa.RecordBatch, tuple[BadRow, ...]]:
    """Rows, each with its line and text, by the ``values`` of each; those for which it raises BadInputError are bad.

    Nothing behind the first bad one is looked at where that is the end anyway.
    """
    columns: list[list[object]] = [[] for _ in schema]
    bad: list[BadRow] = []
    for line, text, row in rows:
        try:
            found = values(row)
        except BadInputError as error:
            # its frames hold the row and more: of a million bad rows that would be gigabytes
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
    """Where the last whole row ends, 0 where none does; ``lines`` where they were counted. See Chunk for the others."""

    end: int
    regular: bool
    marks: NDArray[np.int64] = NOWHERE
    lines: int = 0


class Cutter(Protocol):
    """Tells where a format's rows end."""

    def cut(self, data: bytes | bytearray, line: int, at_end: bool) -> Cut:
        """Of data that begins with a row. Raises BadInputError where no row can be told any more."""


def chunks(text: Text, cutter: Cutter, uri: str, dataset: Dataset) -> Iterator[Chunk]:
    """The text in chunks of about 2 MiB or some ten thousand lines, longer where a row is, up to the limit of a row.

    The last line gets an end.

    Raises BadInputError for a row beyond the limit.
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
            # each bad row of a chunk is held with its reason
            data, wanted_bytes = data[end:], min(CHUNK_BYTES, end * _CHUNK_LINES // lines)
        elif len(data) > limit_bytes:
            refuse_length(uri, line, dataset)
        elif at_end:
            raise AssertionError("a cutter ends the last row of a text, or refuses it")
        else:
            # twice as much each time, so that a long row is not scanned over and over
            wanted_bytes = min(2 * len(data), limit_bytes + 1)


def _filled(text: Text, data: bytearray, wanted_bytes: int) -> tuple[bytearray, bool]:
    """The data with more behind it, and whether the text has ended."""
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
    """Where the sign is, in order; many times as fast as a loop."""
    mask = _is(signs, sign)
    whole = len(mask) // _WORD_BYTES * _WORD_BYTES
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    if len(words) > whole // _DENSE:
        return np.flatnonzero(mask)
    # most words have none: the few others are looked at byte by byte
    row, column = np.nonzero(mask[:whole].reshape(-1, _WORD_BYTES)[words])
    return np.concatenate([words[row] * _WORD_BYTES + column, whole + np.flatnonzero(mask[whole:])])


def _is(signs: NDArray[np.uint8], sign: int) -> NDArray[np.bool_]:
    """Where the sign is, until the same thread asks again: memory that is new each time costs more than the search."""
    mask: NDArray[np.bool_] | None = getattr(_memory, "mask", None)
    if mask is None or len(mask) < len(signs):
        mask = _memory.mask = np.empty(max(len(signs), 2 * CHUNK_BYTES), np.bool_)
    return np.equal(signs, sign, out=mask[: len(signs)])


_memory = threading.local()
_WORD_BYTES = 8
_DENSE = 64  # one word in eight
_NOT_ASCII = 0x80
