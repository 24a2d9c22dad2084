"""Lookup of a day's file of arrivals, under its declared name or compressed beside it, and whether it is complete."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import day_uri
from millrace.storage import files
from millrace.storage.identity import identity

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_DAY_FIELD = re.compile(r"\{(?:partition|year|month|day)\}")


@dataclass(frozen=True)
class Arrival:
    """A day's file, or None and a text that explains what is missing."""

    uri: str | None
    missing: str = ""


def compression(uri: str) -> str | None:
    """Return the compression by the URI's ending: "gzip", "zstd" or None."""
    return next((name for ending, name in _COMPRESSIONS.items() if uri.endswith(ending)), None)


def arrival(source: Source, day: date) -> Arrival:
    """Return the day's file if it has arrived: it exists, and so does its marker, if the source has one.

    Raises BadInputError if there are several files of the day.
    """
    uri = _file(source, day)
    if uri is None:
        return Arrival(None, _no_file(source, day))
    if source.marker is not None and not files.exists(marker := day_uri(source.marker.uri_template, day)):
        return Arrival(None, f"the file is there, its marker is not: {marker}")
    return Arrival(uri)


def delivered(source: Source, day: date) -> str | None:
    """Return the day's file; None if it has not arrived. Raises BadInputError if there are several."""
    return arrival(source, day).uri


def arrived_bytes(source: Source, day: date) -> int | None:
    """Return the size of the day's file; None if it has not arrived.

    Raises as ``delivered`` does, and BadInputError if the URI is a folder.
    """
    uri = delivered(source, day)
    if uri is None:
        return None
    try:
        return files.size_bytes(uri)
    except FileNotFoundError as error:
        if not files.exists(uri):  # it was deleted meanwhile
            return None
        raise not_a_file(uri) from error


def not_a_file(uri: str) -> BadInputError:
    """Return the error for a folder in a file's place."""
    return BadInputError(
        "it is not a file", where=uri, rule="one file a partition", remedy="put the day's rows into one file"
    )


def still_written(source: Source, uri: str) -> bool:
    """Whether the file was modified so recently that it may still grow; False for a source with a marker."""
    if source.marker is not None:
        return False
    try:
        found = identity(uri)
    except FileNotFoundError:
        return True
    if found.whole or found.written_at is None:
        return False
    # a time far in the future is from a wrong clock, not from a recent write
    return abs(datetime.now(UTC) - found.written_at) < timedelta(seconds=source.quiet_seconds)


def no_new_data(reasons: Mapping[str, str], by: datetime | None = None) -> str:
    """Return the reason of a run without data, from the reason of each of its days."""
    days = list(reasons)
    more = f" (and {len(days) - 1} more, to {days[-1]})" if len(days) > 1 else ""
    waited = f" by {by.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if by else ""
    return f"no new data{waited}: {reasons[days[0]]}{more}"


def candidates(uri: str) -> list[str]:
    """Return the URIs that a day's file may have: the declared one, and those with an ending of a compression."""
    endings = ("", *_COMPRESSIONS) if compression(uri) is None else ("",)
    return [uri + ending for ending in endings]


def twice(found: Sequence[str]) -> BadInputError:
    """Return the error for a day with several files."""
    return BadInputError(
        f"{len(found)} files of one day",
        where=", ".join(found),
        rule="one file a partition",
        remedy="put the day's rows into one of them and remove the others",
    )


def _file(source: Source, day: date) -> str | None:
    found = [uri for uri in candidates(source.uri(day)) if files.exists(uri)]
    if len(found) > 1:
        raise twice(found)
    return found[0] if found else None


def _no_file(source: Source, day: date) -> str:
    """Explain the missing file; if its folder is missing too, the source is probably wrong, and the text says so."""
    found = _DAY_FIELD.search(source.uri_template)
    folder = source.uri_template[: found.start() if found else None].rpartition("/")[0]
    with suppress(OSError):  # this is only a hint, which must not fail
        if not files.exists(folder):
            return f"the source's folder does not exist: {folder}"
    return f"no file of arrivals {source.uri(day)}"
