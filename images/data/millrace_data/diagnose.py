"""What is wrong with a file that pyarrow refused, as an error that names line, field, rule and remedy."""

import pyarrow.parquet as pq

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError
from millrace.storage import files
from millrace.storage.arrivals import compression
from millrace_data import delimited, json_lines


def no_rows(uri: str) -> BadInputError:
    """The error of a file that is there and holds nothing."""
    return BadInputError(
        "the file holds no row",
        where=uri,
        rule="a file of arrivals holds at least one row; a day without arrivals has no file",
        remedy="deliver the day's rows, or remove the file if there were none",
    )


def longest_row_bytes(uri: str, dataset: Dataset) -> int:
    """The longest row's bytes, to be read in blocks of that size. Raises BadInputError past the limit of a row."""
    measure = json_lines.longest_bytes if dataset.source.format == "jsonl" else delimited.longest_bytes
    try:
        return measure(uri, dataset)
    except OSError:
        raise _damaged(uri, compression(uri) or "text") from None


def extra_columns(uri: str, dataset: Dataset) -> tuple[str, ...]:
    """The names of columns that are there and not declared; of JSON Lines those of the first thousand rows."""
    if dataset.source.format == "parquet":
        system, path = files.locate(uri)
        with system.open_input_file(path) as stream:
            found = set(pq.read_schema(stream).names) - {column.name for column in dataset.columns}
    else:
        found = (json_lines if dataset.source.format == "jsonl" else delimited).extra_names(uri, dataset)
    return tuple(sorted(found))


def offence(uri: str, dataset: Dataset, error: Exception) -> BadInputError:
    """The first thing wrong with a file that raised ``error``; never a value of a row, as pyarrow's messages have."""
    if dataset.source.format == "parquet":
        return _damaged(uri, "Parquet")
    scan = json_lines.scan if dataset.source.format == "jsonl" else delimited.scan
    try:
        if not scan(uri, dataset):
            return no_rows(uri)
    except BadInputError as found:
        return found
    except OSError:
        return _damaged(uri, compression(uri) or "text")
    return BadInputError(
        f"the file cannot be read as {dataset.source.format} ({type(error).__name__}), and no one line is to blame",
        where=uri,
        rule="one row a line in UTF-8; a quoted field of csv may hold line breaks",
        remedy="check how the file was written, its line ends and quotes first",
    )


def refuse_open_quote(uri: str, dataset: Dataset) -> None:
    """Raises BadInputError where a quoted field of a CSV file is not closed; a lone quote inside a field is none."""
    delimited.scan(uri, dataset)


def _damaged(uri: str, what: str) -> BadInputError:
    return BadInputError(
        f"the {what} file is truncated or damaged",
        where=uri,
        rule="the file is whole and its ending says its compression",
        remedy="deliver it again; write under another name and rename when complete",
    )
