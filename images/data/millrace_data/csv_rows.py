"""Reader of CSV and TSV: by pyarrow where it certainly agrees with the grammar, otherwise row by row."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from millrace.contracts.data import Column, Dataset
from millrace.contracts.errors import BadInputError
from millrace_data import arrays, made, texts
from millrace_data.arrays import joined
from millrace_data.arrival_errors import not_utf8, wrong_field, wrong_row
from millrace_data.chunks import Chunk, Rows, chunks, one_by_one, positions
from millrace_data.csv_grammar import CsvCutter, Grammar, Record
from millrace_data.first_bytes import HEAD_BYTES, likeness
from millrace_data.schema import check_names, extra_names, source_schema
from millrace_data.streams import Text

_CR, _LF, _ZERO, _X, _LOWER = (ord(sign) for sign in "\r\n0x ")
_BLOCK_BYTES = 1 << 17


@dataclass(frozen=True)
class _Field:
    """A declared column: its index in the file, its parser and its words for null."""

    column: Column
    index: int
    parse: texts.Parse
    null_words: frozenset[str]

    @property
    def read_as(self) -> pa.DataType:
        return arrays.csv_type(self.column.kind)


class CsvRows:
    """Reads one file of CSV or TSV into the declared columns."""

    def __init__(self, uri: str, dataset: Dataset) -> None:
        self._uri = uri
        self._dataset = dataset
        self._dialect = dataset.source.dialect
        self._schema = source_schema(dataset)
        self._grammar = Grammar(self._dialect, dataset.source.delimiter)
        self._width = 0
        self._fields: list[_Field] = []

    def chunks(self, text: Text) -> Iterator[Chunk]:
        """Yield the text after its header in chunks. Raises BadInputError if the columns are not the declared ones."""
        cutter = CsvCutter(self._dataset.source, self._grammar, self._uri)
        has_header = not self._dialect.header
        if has_header:
            self._take_names([column.arrives_as for column in self._dataset.columns], None)
        for chunk in chunks(text, cutter, self._uri, self._dataset):
            if has_header:
                yield chunk
            elif (header := next(self._grammar.records(chunk.data, chunk.line), None)) is not None:
                has_header = True
                self._take_names(self._names(header), likeness(bytes(chunk.text[:HEAD_BYTES])))
                start = chunk.text.index(header.text) + len(header.text)
                line = chunk.line + chunk.text.count(b"\n", 0, start)
                quotes = chunk.marks[chunk.marks >= start] - start
                yield Chunk(chunk.text[start:], chunk.end - start, line, chunk.regular, quotes)

    def _names(self, header: Record) -> list[str]:
        where = f"{self._uri}, line {header.line}"
        if header.error is not None:
            error = header.error
            raise BadInputError(f"in the header {error.what}", where=where, rule=error.rule, remedy=error.remedy)
        try:
            return [name.decode() for name in header.fields]
        except UnicodeDecodeError as error:
            raise BadInputError(
                f"the header is not {self._dialect.encoding}",
                where=where,
                rule=f"the file's text is {self._dialect.encoding} (dialect)",
                remedy='convert the file, or declare its encoding, such as Dialect(encoding="cp1252")',
            ) from error

    def _take_names(self, names: list[str], like: str | None) -> None:
        try:
            check_names(names, self._dataset, self._uri)
        except BadInputError as error:
            if like in {None, "like CSV", "like TSV"}:
                raise
            raise BadInputError(
                f"{error.what} (the file begins {like})",
                where=error.where,
                rule=error.rule,
                remedy="declare the file's own format in the workload, or export it as the declared one",
            ) from None
        self.extra_names = extra_names(names, self._dataset)
        self._width = len(names)
        place = {name: index for index, name in enumerate(names)}
        self._fields = [self._field(column, place[column.arrives_as]) for column in self._dataset.columns]
        self._has_integers = any(pa.types.is_integer(field.read_as) for field in self._fields)

    def _field(self, column: Column, index: int) -> _Field:
        words = frozenset(self._dialect.null_words)
        if column.kind.kind in {"string", "list"}:
            words -= {""}
        try:
            return _Field(column, index, texts.parser(column.kind, self._dialect.decimal_mark), words)
        except texts.WrongTextError as error:
            raise BadInputError(
                error.what,
                where=f"the workload's column {column.name!r}",
                rule=error.rule,
                remedy="declare a plain list, or deliver jsonl or parquet",
            ) from None

    def rows(self, chunk: Chunk, first_bad_only: bool) -> Rows:
        """Return the rows of a chunk and its unreadable rows; with ``first_bad_only``, stop at the first of these."""
        batch = self._whole(chunk)
        if batch is None:
            return self._one_by_one(chunk, first_bad_only)
        return Rows(batch, extra_names=self.extra_names)

    def _whole(self, chunk: Chunk) -> pa.RecordBatch | None:
        # pyarrow removes a byte order mark at the beginning of any chunk
        if not chunk.regular or chunk.text.startswith(BOM_UTF8) or not chunk.is_utf8():
            return None
        block_bytes = self._block_bytes(chunk)
        if block_bytes is None:
            return None
        try:
            if self._has_integers and _has_hexadecimal(chunk.signs) and self._hexadecimal_integers(chunk):
                return None
            table = self._read(chunk, {field.index: field.read_as for field in self._fields}, block_bytes)
        except pa.ArrowInvalid:
            return None
        held = []
        for field in self._fields:
            array = self._held(field, joined(table.column(str(field.index))))
            if array is None:
                return None
            held.append(array)
        return pa.record_batch(held, schema=self._schema)

    def _block_bytes(self, chunk: Chunk) -> int | None:
        """Return the block size in bytes with which pyarrow reads the chunk correctly; None if there is none.

        Small blocks halve the time, but a block that ends inside a quoted CR LF loses a byte (apache/arrow 51368).
        """
        if chunk.text.find(b"\r", 0, chunk.end) < 0:
            return _BLOCK_BYTES
        carriage_returns = positions(chunk.signs, _CR)
        if not (chunk.signs[carriage_returns + 1] == _LF).all():
            return None
        quotes_before = np.searchsorted(chunk.marks, carriage_returns)
        return chunk.end + 1 if (quotes_before % 2).any() else _BLOCK_BYTES

    def _read(self, chunk: Chunk, types: dict[int, pa.DataType], block_bytes: int) -> pa.Table:
        try:
            return self._read_blocks(chunk.buffer, types, block_bytes)
        except pa.ArrowInvalid:
            if block_bytes > chunk.end:
                raise
            return self._read_blocks(chunk.buffer, types, chunk.end + 1)  # a row may be longer than a block

    def _read_blocks(self, data: pa.Buffer, types: dict[int, pa.DataType], block_bytes: int) -> pa.Table:
        quote = self._dialect.quote
        return pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(
                block_size=block_bytes, use_threads=False, column_names=[str(index) for index in range(self._width)]
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=self._dataset.source.delimiter,
                quote_char=quote or False,
                newlines_in_values=quote is not None,
            ),
            convert_options=pacsv.ConvertOptions(
                include_columns=[str(index) for index in types],
                column_types={str(index): kind for index, kind in types.items()},
                null_values=list(self._dialect.null_words),
                true_values=texts.TRUE_WORDS,
                false_values=texts.FALSE_WORDS,
                strings_can_be_null=False,
                check_utf8=False,
                decimal_point=self._dialect.decimal_mark,
            ),
        )

    def _held(self, field: _Field, array: pa.Array) -> pa.Array | None:
        if pa.types.is_string(array.type) and field.null_words:
            is_null = pc.is_in(array, made.words(sorted(field.null_words)))
            if pc.any(is_null).as_py():
                array = pc.if_else(is_null, pa.scalar(None, array.type), array)
        if array.null_count and not field.column.nullable:
            return None
        return arrays.from_csv(field.column.kind, array, self._dialect.decimal_mark)

    def _hexadecimal_integers(self, chunk: Chunk) -> bool:
        """Return whether an integer is written like 0x10, which pyarrow accepts and ``texts`` refuses."""
        indexes = {field.index: pa.string() for field in self._fields if pa.types.is_integer(field.read_as)}
        table = self._read(chunk, indexes, chunk.end + 1)
        return any(pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py() for column in table.columns)

    def _one_by_one(self, chunk: Chunk, first_bad_only: bool) -> Rows:
        records = ((record.line, record.text, record) for record in self._grammar.records(chunk.data, chunk.line))
        batch, bad = one_by_one(records, self._values, self._schema, first_bad_only)
        return Rows(batch, bad, self.extra_names)

    def _values(self, record: Record) -> list[object]:
        try:
            record.text.decode()
        except UnicodeDecodeError as error:
            raise not_utf8(self._uri, record.line, error, self._dialect.encoding) from None
        if record.error is not None:
            raise wrong_row(self._uri, record.line, record.error.what, record.error.rule, record.error.remedy)
        if len(record.fields) != self._width:
            raise wrong_row(
                self._uri,
                record.line,
                f"the row has {len(record.fields)} fields",
                f"{self._width} fields, as the {'header has' if self._dialect.header else 'workload declares'}",
                "quote a field that holds the delimiter or a line end",
            )
        return [self._value(record, field) for field in self._fields]

    def _value(self, record: Record, field: _Field) -> object:
        text = record.fields[field.index].decode()
        name = field.column.arrives_as
        if text in field.null_words:
            if not field.column.nullable:
                raise wrong_field(self._uri, record.line, name, "the value is missing", "the column is complete")
            return None
        try:
            return field.parse(text)
        except texts.WrongTextError as error:
            raise wrong_field(self._uri, record.line, name, error.what, error.rule, error.remedy) from None


def _has_hexadecimal(signs: NDArray[np.uint8]) -> bool:
    marks = positions(signs, _ZERO)
    marks = marks[marks + 1 < len(signs)] + 1
    return bool(((signs[marks] | _LOWER) == _X).any())
