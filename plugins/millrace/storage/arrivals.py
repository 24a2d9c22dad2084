"""Where a day's file of arrivals is: under its declared name, or compressed beside it."""

from datetime import date

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace.storage import files

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def compression(uri: str) -> str | None:
    """What the URI's ending says: "gzip", "zstd" or None."""
    return next((name for ending, name in _COMPRESSIONS.items() if uri.endswith(ending)), None)


def delivered(source: Source, day: date) -> str | None:
    """The day's file; None where it is missing. Raises BadInputError where it is there twice."""
    uri = source.uri(day)
    endings = ("", *_COMPRESSIONS) if compression(uri) is None else ("",)
    found = [uri + ending for ending in endings if files.exists(uri + ending)]
    if len(found) > 1:
        raise BadInputError(
            f"{len(found)} files of one day",
            where=", ".join(found),
            rule="one file a partition",
            remedy="put the day's rows into one of them and remove the others",
        )
    return found[0] if found else None


def arrived_bytes(source: Source, day: date) -> int | None:
    """The size of the day's file; None where it is missing. Raises as ``delivered`` does."""
    uri = delivered(source, day)
    return None if uri is None else files.size_bytes(uri)
