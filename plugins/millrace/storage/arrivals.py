"""Lookup of a day's file of arrivals, under its declared name or compressed beside it, of its manifest and its size.

A lookup of one day takes a few requests to the store; for ten years of days it would take thousands. So the sizes of
many days are found by listing each folder with their files once.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from millrace.contracts.data import Source
from millrace.contracts.errors import BadInputError
from millrace.contracts.source import day_uri
from millrace.storage import files
from millrace.storage.identity import identity

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_DAY_FIELD = re.compile(r"\{(?:partition|year|month|day)\}")
_MOST_BYTES = 1 << 16
_RULE = "a manifest is a JSON object with bytes, rows or sha256 of the day's file, as stored, 64 KiB at most"
_REMEDY = 'write one like {"bytes": 310, "rows": 10}, or declare the marker\'s kind as "presence"'
_OF_ONE_DAY = ("{partition}", "{day}")
_AT_ONCE = 8  # parallel requests, for S3 only because of its latency


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


class ArrivalManifest(BaseModel):
    """Stated size, rows and digest of one file; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    bytes: int | None = Field(default=None, ge=0)
    rows: int | None = Field(default=None, ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")] | None = None

    def disagreement(self, **found: int | str) -> str | None:
        """Describe the first stated value that differs from the one found; None if none differs."""
        for name, value in found.items():
            declared = getattr(self, name)
            if declared is not None and str(declared).lower() != str(value).lower():
                return f"{name}: the manifest says {_grouped(declared)}, the file has {_grouped(value)}"
        return None


def marker_uri(source: Source, day: date) -> str | None:
    """Return the URI of the day's marker; None for a source without one."""
    return None if source.marker is None else day_uri(source.marker.uri_template, day)


def read_manifest(source: Source, day: date) -> ArrivalManifest | None:
    """Return the day's manifest; None if the source has none, or the file does not exist.

    Raises BadInputError if it is unreadable or states nothing.
    """
    uri = marker_uri(source, day)
    if uri is None or source.marker is None or source.marker.kind != "manifest":
        return None
    try:
        found = ArrivalManifest.model_validate_json(files.read_bytes(uri, _MOST_BYTES))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        fields = sorted({".".join(map(str, each["loc"])) or "the whole" for each in error.errors()})
        raise BadInputError(
            f"the manifest cannot be read: {', '.join(fields)}", where=uri, rule=_RULE, remedy=_REMEDY
        ) from None
    if found == ArrivalManifest():
        raise BadInputError("the manifest says nothing of the file", where=uri, rule=_RULE, remedy=_REMEDY)
    return found


def _grouped(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


@dataclass(frozen=True)
class Arrived:
    """File sizes of the days whose file has arrived.

    For ``estimated`` of the days, the folder exists but was not listed: their size is the mean of the others.
    """

    sizes: Mapping[date, int]
    estimated: int


@dataclass
class _Store:
    """Cache of listed folders; each is listed once."""

    at_once: int
    known: dict[str, Mapping[str, int | None]] = field(default_factory=dict)

    def look(self, folders: Iterable[str]) -> None:
        new = [folder for folder in dict.fromkeys(folders) if folder not in self.known]
        with ThreadPoolExecutor(max(1, min(self.at_once, len(new)))) as pool:
            self.known.update(zip(new, pool.map(files.sizes, new), strict=True))


def arrived_sizes(source: Source, days: Sequence[date], most_day_folders: int) -> Arrived:
    """Return the sizes of the files that have arrived for these days.

    Of existing folders with a single day, only the newest ``most_day_folders`` are listed. Other folders contain the
    files, or the folders, of a month or more. Raises BadInputError if there are several files of a day, and for a
    folder in a file's place.
    """
    store = _Store(_AT_ONCE if source.uri_template.startswith("s3://") else 1)
    templates = [source.uri_template, *([source.marker.uri_template] if source.marker else [])]
    store.look(_above(template, day)[0] for template in templates for day in days)
    present = [day for day in sorted(set(days)) if all(_is_there(store, template, day) for template in templates)]
    own = [day for day in present if any(_above(template, day)[1] for template in templates)]
    unseen = set(own[: max(0, len(own) - most_day_folders)])
    looked_at = [day for day in present if day not in unseen]
    store.look(_split(day_uri(template, day))[0] for template in templates for day in looked_at)
    found = {day: _size(store, source, day) for day in looked_at}
    sizes = {day: size for day, size in found.items() if size is not None}
    if not sizes:
        return Arrived({}, 0)
    mean = round(sum(sizes.values()) / len(sizes))
    return Arrived({**dict.fromkeys(unseen, mean), **sizes}, len(unseen))


def _above(template: str, day: date) -> tuple[str, str]:
    """Return the deepest folder above a day's file that other days share, and the day's own folder in it, if any."""
    segments = template.split("/")
    first = next(at for at, segment in enumerate(segments) if any(name in segment for name in _OF_ONE_DAY))
    folder = day_uri("/".join(segments[:first]), day)
    own = unquote(day_uri(segments[first], day)) if first < len(segments) - 1 else ""
    return folder, own


def _is_there(store: _Store, template: str, day: date) -> bool:
    folder, own = _above(template, day)
    return not own or own in store.known[folder]


def _split(uri: str) -> tuple[str, str]:
    folder, _, name = uri.rpartition("/")
    return folder, unquote(name)


def _size(store: _Store, source: Source, day: date) -> int | None:
    uri = source.uri(day)
    held = store.known[_split(uri)[0]]
    found = [each for each in candidates(uri) if _split(each)[1] in held]
    if len(found) > 1:
        raise twice(found)
    if not found:
        return None
    if source.marker is not None:
        folder, name = _split(day_uri(source.marker.uri_template, day))
        if name not in store.known[folder]:
            return None
    size = held[_split(found[0])[1]]
    if size is None:
        raise not_a_file(found[0])
    return size
