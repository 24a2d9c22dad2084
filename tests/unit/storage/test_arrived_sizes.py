"""Ten years of days, asked for in as many listings as there are months at most."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.data import Marker, Source
from millrace.contracts.errors import BadInputError
from millrace.storage import arrivals as module
from millrace.storage import files
from millrace.storage.arrivals import Arrived, arrived_bytes, arrived_sizes

TEN_YEARS = [date(2016, 1, 1) + timedelta(days=number) for number in range(3653)]
FEW = TEN_YEARS[-40:]
TEMPLATES = [
    "{partition}.csv", "{year}/{month}/{day}.csv", "{year}/{month}/{day}/rows.csv", "{partition}/rows.csv",
    "all/{day}-{month}-{year}.csv.gz", "a%20b/{year}-{month}/{partition}/deeper/rows.csv",
]  # fmt: skip


def source_of(folder: Path, template: str, marker: str | None = None) -> Source:
    place = folder.as_uri()
    kept = Marker(uri_template=f"{place}/{marker}") if marker else None
    return Source(uri_template=f"{place}/{template}", format="csv", marker=kept)


def deliver(source: Source, day: date, size: int, ending: str = "") -> None:
    file = files.local_path(source.uri(day) + ending)  # thousands of them, and none has to outlive the machine
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are listed, in a store that answers nothing else."""
    asked: list[str] = []
    real = files.sizes

    class Listing:
        @staticmethod
        def sizes(uri: str) -> dict[str, int | None]:
            asked.append(uri)
            return real(uri)

    monkeypatch.setattr(module, "files", Listing)
    return asked


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_sizes_are_those_that_each_day_asked_for_by_itself_has(tmp_path: Path, template: str) -> None:
    source = source_of(tmp_path, template)
    for number, day in enumerate(FEW):
        if number % 3:
            deliver(source, day, number + 1)
    alone = {day: size for day in FEW if (size := arrived_bytes(source, day)) is not None}
    assert len(alone) == 26
    assert arrived_sizes(source, FEW, 366) == Arrived(alone, 0)


@pytest.mark.parametrize(
    ("template", "most"),
    list(zip(TEMPLATES, [1, 120, 120 + 366, 1 + 366, 1, 120 + 366], strict=True)),
)
def test_ten_years_take_a_listing_a_month_and_of_days_folders_the_newest(
    tmp_path: Path, listings: list[str], template: str, most: int
) -> None:
    source = source_of(tmp_path, template)
    for day in TEN_YEARS:
        deliver(source, day, 3)
    found = arrived_sizes(source, TEN_YEARS, 366)
    assert len(listings) == len(set(listings)) == most
    assert found.sizes == dict.fromkeys(TEN_YEARS, 3)
    assert found.estimated == (len(TEN_YEARS) - 366 if most > 120 or most == 367 else 0)


def test_a_folder_that_is_not_there_is_not_looked_into(tmp_path: Path, listings: list[str]) -> None:
    source = source_of(tmp_path, "{partition}/rows.csv")
    deliver(source, FEW[0], 5)
    assert arrived_sizes(source, TEN_YEARS, 366) == Arrived({FEW[0]: 5}, 0)
    assert len(listings) == 2


def test_nothing_has_arrived_where_there_is_no_folder(tmp_path: Path) -> None:
    assert arrived_sizes(source_of(tmp_path, "{year}/{partition}.csv"), FEW, 366) == Arrived({}, 0)


def test_a_compressed_day_counts_and_one_without_its_marker_does_not(tmp_path: Path) -> None:
    source = source_of(tmp_path, "{partition}.csv", "done/{partition}/_SUCCESS")
    for day, ending in zip(FEW[:3], ("", ".gz", ".zst"), strict=True):
        deliver(source, day, 7, ending)
    for day in FEW[1:5]:
        files.write_bytes(f"{tmp_path.as_uri()}/done/{day}/_SUCCESS", b"")
    assert arrived_sizes(source, FEW, 366).sizes == {FEW[1]: 7, FEW[2]: 7}


def test_a_day_twice_and_a_folder_in_a_files_place_are_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path, "{partition}.csv")
    deliver(source, FEW[0], 1)
    deliver(source, FEW[0], 1, ".gz")
    with pytest.raises(BadInputError, match="2 files of one day"):
        arrived_sizes(source, FEW, 366)
    (tmp_path / f"{FEW[1]}.csv").mkdir()
    with pytest.raises(BadInputError, match="not a file"):
        arrived_sizes(source, FEW[1:2], 366)


def test_listings_of_an_s3_are_made_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Far:
        @staticmethod
        def sizes(uri: str) -> dict[str, Any]:
            asked.append(uri)
            year, month = uri.split("/")[-2:]
            return {f"{year}-{month}-{day:02}.csv": 2 for day in range(1, 32)}

    monkeypatch.setattr(module, "files", Far)
    source = Source(uri_template="s3://bucket/{year}/{month}/{partition}.csv", format="csv")
    assert arrived_sizes(source, TEN_YEARS, 366).sizes == dict.fromkeys(TEN_YEARS, 2)
    assert sorted(asked) == sorted({f"s3://bucket/{day:%Y/%m}" for day in TEN_YEARS})
