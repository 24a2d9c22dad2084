"""CSV and TSV read again, slowly, to find the line that pyarrow refused."""

import csv
import re
from collections.abc import Iterable, Iterator

from millrace.contracts.data import Column, Dataset
from millrace.contracts.errors import BadInputError
from millrace_data.lines import decode, lines, lines_of, refuse_length, row_limit_bytes, wrong_field
from millrace_data.schema import check_names
from millrace_data.streams import Readable

_INT64 = re.compile(r"-?\d{1,19}\Z")
_BOOLS = {"true", "false", "1", "0"}
_QUOTES_AND_SEPARATOR_BYTES = 3


def scan(uri: str, dataset: Dataset) -> bool:
    """Whether there is a row at all. Raises BadInputError for the first line that breaks the format or a type."""
    records = _records(uri, dataset)
    _, names = next(records, (1, []))
    if not names:
        return False
    check_names(names, dataset, uri)
    found = False
    for number, values in records:
        found = True
        _check(uri, number, names, values, dataset)
    return found


def sift(text: Readable, uri: str, dataset: Dataset) -> Iterator[tuple[int, bytes, BadInputError | None]]:
    """The header, then each record as it stands in the text and what is wrong with it, blank lines left out.

    Raises BadInputError for other columns than the declared ones, and for quotes behind which no record can be told.
    """
    pending: list[bytes] = []

    def tapped() -> Iterator[tuple[int, bytes]]:
        for number, line in lines_of(text, uri, dataset):
            pending.append(line + b"\n")
            yield number, line

    names: list[str] | None = None
    for number, values in _records_of(tapped(), uri, dataset):
        record = b"".join(pending)
        pending.clear()
        error = None
        if names is None:
            names = values
            check_names(names, dataset, uri)
        else:
            try:
                _check(uri, number, names, values, dataset)
            except BadInputError as found:
                error = found
        yield number, record, error


def extra_names(uri: str, dataset: Dataset) -> set[str]:
    """The header's columns that are not declared."""
    _, names = next(_records(uri, dataset), (1, []))
    return set(names) - {column.name for column in dataset.columns}


def _check(uri: str, number: int, names: list[str], values: list[str], dataset: Dataset) -> None:
    if len(values) != len(names):
        raise BadInputError(
            f"the row has {len(values)} fields",
            where=f"{uri}, line {number}",
            rule=f"{len(names)} fields, as the header has",
            remedy="quote a field that holds a separator (csv); a field of tsv holds none",
        )
    declared = {column.name: column for column in dataset.columns}
    for name, value in zip(names, values, strict=True):
        if name in declared:
            _check_value(uri, number, declared[name], value)


def longest_bytes(uri: str, dataset: Dataset) -> int:
    """The longest record's bytes at most, quotes doubled. Raises BadInputError for one beyond the limit."""
    return max(
        sum(len(value.encode()) + value.count('"') + _QUOTES_AND_SEPARATOR_BYTES for value in values)
        for _, values in _records(uri, dataset)
    )


def _records(uri: str, dataset: Dataset) -> Iterator[tuple[int, list[str]]]:
    return _records_of(lines(uri, dataset), uri, dataset)


def _records_of(numbered: Iterable[tuple[int, bytes]], uri: str, dataset: Dataset) -> Iterator[tuple[int, list[str]]]:
    """The records that are not blank with the number of the line that each one ends on."""
    text = (decode(uri, number, line) + "\n" for number, line in numbered)
    csv.field_size_limit(row_limit_bytes(dataset))
    is_csv = dataset.source.format == "csv"
    reader = csv.reader(
        text,
        delimiter="," if is_csv else "\t",
        quoting=csv.QUOTE_MINIMAL if is_csv else csv.QUOTE_NONE,
        strict=True,
    )
    while True:
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "field limit" in str(error):
                refuse_length(uri, reader.line_num, dataset)
            raise BadInputError(
                "a quoted field is not closed or goes on after its quote",
                where=f"{uri}, line {reader.line_num}",
                rule="RFC 4180: a quote inside a quoted field is doubled",
                remedy="correct the quotes of this line, or of one before it that opens a field",
            ) from error
        if values:
            yield reader.line_num, values


def _check_value(uri: str, number: int, column: Column, value: str) -> None:
    if value == "" and column.type in {"int64", "float64", "bool"}:
        if not column.nullable:
            raise wrong_field(uri, number, column.name, "the value is missing", "the column is complete")
    elif column.type == "int64" and not (_INT64.match(value) and -(2**63) <= int(value) < 2**63):
        raise wrong_field(uri, number, column.name, "the value is not an integer", "an integer of 64 bits (int64)")
    elif column.type == "float64" and not _is_number(value):
        raise wrong_field(uri, number, column.name, "the value is not a number", "a finite number (float64)")
    elif column.type == "bool" and value.lower() not in _BOOLS:
        raise wrong_field(uri, number, column.name, "the value is neither true nor false", "true or false (bool)")


def _is_number(value: str) -> bool:
    try:
        return abs(float(value)) < float("inf") and "_" not in value
    except ValueError:
        return False
