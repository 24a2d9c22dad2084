"""Errors of arrivals: of a whole file and of one row, with names of limited number and length."""

from collections.abc import Iterable
from itertools import islice
from typing import NoReturn

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError

_MOST_NAMES = 20
_LONGEST_NAME = 100
MAX_ROW_BYTES = 32 << 20
_ESCAPED_BYTES_PER_CHARACTER = 12  # a pair of \uXXXX escapes


def shown(name: str) -> str:
    """Return the name in quotes, cut to 100 characters."""
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…")


def listed(names: Iterable[str]) -> str:
    """Return the first twenty names and the number of the others."""
    rest = iter(names)
    first = [shown(name) for name in islice(rest, _MOST_NAMES)]
    more = sum(1 for _ in rest)
    return f"[{', '.join(first)}{f' and {more:,} more' if more else ''}]"


def no_rows(uri: str) -> BadInputError:
    """Return the error of a file without rows."""
    return BadInputError(
        "the file holds no row",
        where=uri,
        rule="a file of arrivals holds at least one row; a day without arrivals has no file",
        remedy="deliver the day's rows, or remove the file if there were none",
    )


def damaged(uri: str, what: str) -> BadInputError:
    """Return the error of a file whose bytes are not valid in its format."""
    return BadInputError(
        f"the {what} file is truncated or damaged",
        where=uri,
        rule="the file is whole and its ending says its compression",
        remedy="deliver it again; write under another name and rename when complete",
    )


def row_limit_bytes(dataset: Dataset) -> int:
    """Return the maximum length of a row: 32 MiB, or more if the columns' ``max_length`` allow it."""
    lengths = sum(column.max_length or 0 for column in dataset.columns if column.kind.kind in {"string", "binary"})
    return max(MAX_ROW_BYTES, lengths * _ESCAPED_BYTES_PER_CHARACTER)


def refuse_length(uri: str, line: int, dataset: Dataset) -> NoReturn:
    """Raise the BadInputError of a row that is longer than ``row_limit_bytes``."""
    declared = [f"{column.name}: {column.max_length:,}" for column in dataset.columns if column.max_length]
    raise BadInputError(
        "the row is too long",
        where=f"{uri}, line {line}",
        rule=f"at most {row_limit_bytes(dataset):,} bytes a row, enough for each max_length {listed(declared)}",
        remedy="cut or drop the row at the source, close an open quote, or raise max_length in the workload",
    )


def wrong_row(uri: str, line: int, what: str, rule: str, remedy: str) -> BadInputError:
    """Return the error of a whole row."""
    return BadInputError(what, where=f"{uri}, line {line}", rule=rule, remedy=remedy)


def wrong_field(uri: str, line: int, field: str, what: str, rule: str, remedy: str = "") -> BadInputError:
    """Return the error of one field of a row."""
    return BadInputError(
        what,
        where=f"{uri}, line {line}, field {shown(field)}",
        rule=rule,
        remedy=remedy or "correct the row, or the column's declaration in the workload",
    )


def not_utf8(uri: str, line: int, error: UnicodeDecodeError, encoding: str = "utf-8") -> BadInputError:
    """Return the error of a row whose bytes are not valid in the text's encoding."""
    name = "UTF-8" if encoding.lower() in {"utf-8", "utf8"} else encoding
    return wrong_row(
        uri,
        line,
        f"byte {error.start + 1} of the row is not {name}",
        f"text is {name}",
        "convert the file, for instance with iconv, or declare its encoding (dialect) where it is csv or tsv",
    )
