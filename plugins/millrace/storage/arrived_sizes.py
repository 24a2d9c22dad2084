"""Sizes of the arrivals of many days: each folder with their files is listed once.

A lookup of one day takes a few requests to the store (see arrivals.py); for ten years of days it would take thousands.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import unquote

from millrace.contracts.data import Source
from millrace.contracts.source import day_uri
from millrace.storage import files
from millrace.storage.arrivals import candidates, not_a_file, twice

_OF_ONE_DAY = ("{partition}", "{day}")
_AT_ONCE = 8  # parallel requests, for S3 only because of its latency


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
