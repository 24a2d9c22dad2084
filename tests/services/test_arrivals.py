"""A day's file in each store: found by any name, and another file once it was written to (make service-test)."""

from datetime import date
from urllib.parse import quote

import pytest
from pyarrow import fs

from millrace.contracts.data import Marker, Source
from millrace.contracts.errors import BadInputError
from millrace.settings import Settings
from millrace.storage import files
from millrace.storage.arrivals import Arrived, arrival, arrived_bytes, arrived_sizes, read_manifest
from millrace.storage.identity import identity

DAY = date(2026, 1, 31)
PLACES = ["my arrivals", "100% done", "größe", "[1]*", "a&b=c,d+e"]


@pytest.mark.parametrize("place", PLACES)
def test_a_folder_of_any_name_is_found_percent_encoded(root: str, place: str) -> None:
    settings = Settings(arrivals_uri=f"{root}/{quote(place, safe='')}")
    marker = Marker(uri_template=f"{settings.arrivals}/{{partition}}.json", kind="manifest")
    source = Source(uri_template=f"{settings.arrivals}/{{partition}}.csv", format="csv", marker=marker)
    assert arrival(source, DAY).missing == f"the source's folder does not exist: {settings.arrivals}"
    files.write_bytes(files.join(root, place, "2026-01-30.csv"), b"x")
    assert arrival(source, DAY).missing == f"no file of arrivals {settings.arrivals}/2026-01-31.csv"
    files.write_bytes(files.join(root, place, "2026-01-31.csv"), b"12345")
    assert "its marker is not" in arrival(source, DAY).missing
    files.write_bytes(files.join(root, place, "2026-01-31.json"), b'{"bytes": 5}')
    assert arrived_bytes(source, DAY) == 5
    assert arrived_sizes(source, [DAY, date(2026, 1, 30)], 366) == Arrived({DAY: 5}, 0), "the day before has no marker"
    manifest = read_manifest(source, DAY)
    assert manifest is not None
    assert manifest.bytes == 5


def test_a_file_is_the_same_until_it_is_written_to(root: str) -> None:
    uri = files.join(root, "my folder", "2026-01-31.csv")
    files.write_bytes(uri, b"one")
    first = identity(uri)
    assert first == identity(uri)
    assert first.size_bytes == 3
    assert first.written_at is not None
    assert first.whole == uri.startswith("s3://"), "an object is never seen growing"
    files.write_bytes(uri, b"two")
    assert identity(uri) != first
    assert identity(uri).text != first.text


def test_what_is_no_file_has_no_identity(root: str) -> None:
    source = Source(uri_template=f"{root}/{{partition}}.csv", format="csv")
    folder = source.uri(DAY)
    with pytest.raises(FileNotFoundError):
        identity(folder)
    files.write_bytes(files.join(folder, "part-0.csv"), b"x")
    with pytest.raises(FileNotFoundError):
        identity(folder)
    with pytest.raises(BadInputError, match="not a file"):
        arrived_bytes(source, DAY)
    with pytest.raises(BadInputError, match="not a file"):
        arrived_sizes(source, [DAY], 366)
    system, path = files.locate(folder)
    assert system.get_file_info(path).type == fs.FileType.Directory


@pytest.mark.parametrize("template", ["{partition}.csv", "{year}/{month}/{day}.csv", "{partition}/rows.csv"])
def test_many_days_are_found_by_listings(root: str, template: str) -> None:
    source = Source(uri_template=f"{root}/listed/{template}", format="csv")
    days = [date(2026, month, 7) for month in range(1, 5)]
    assert arrived_sizes(source, days, 366) == Arrived({}, 0)
    for size, day in enumerate(days[1:], start=1):
        files.write_bytes(source.uri(day), b"x" * size)
    assert arrived_sizes(source, days, 366).sizes == {days[1]: 1, days[2]: 2, days[3]: 3}
