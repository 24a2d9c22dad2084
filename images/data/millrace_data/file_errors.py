"""Errors of a whole file of arrivals."""

from millrace.contracts.errors import BadInputError


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
