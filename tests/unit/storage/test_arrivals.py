"""A day's file: found, missing for a reason, and known again by what the store says of it."""

import os
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pytest
from pydantic import ValidationError

from millrace.contracts.data import Marker, Source
from millrace.contracts.errors import BadInputError
from millrace.settings import Settings
from millrace.storage import files
from millrace.storage.arrivals import arrival, arrived_bytes, delivered, no_new_data
from millrace.storage.identity import identity

DAY = date(2026, 1, 31)


@pytest.mark.parametrize("place", ["my arrivals", "100% done", "a#b?c", "größe", "[1]*", "a&b=c;d"])
def test_a_folder_of_any_name_works_percent_encoded_from_the_setting_to_the_bytes(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir()
    (folder / "2026-01-31.csv").write_bytes(b"12345")
    settings = Settings(arrivals_uri=folder.as_uri())
    source = Source(uri_template=f"{settings.arrivals}/{{partition}}.csv", format="csv")
    assert arrived_bytes(source, DAY) == 5
    uri = delivered(source, DAY)
    assert uri == files.join(folder.as_uri(), "2026-01-31.csv")
    assert identity(uri).size_bytes == 5


@pytest.mark.parametrize("setting", ["arrivals_uri", "storage_uri"])
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("file:///my arrivals", "a space as %20"),
        ("s3://bucket/*", "percent-encode"),
        ("s3://bucket/{partition}", "percent-encode"),
        ("s3://bucket/a#b", "percent-encode"),
        ("/srv/arrivals", "begin with a scheme"),
    ],
)
def test_a_setting_below_which_no_file_can_be_named_is_refused_when_it_is_read(
    setting: str, uri: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({setting: uri})


def source_of(folder: Path, **changes: Any) -> Source:
    return Source(uri_template=f"{folder.as_uri()}/orders/{{partition}}.csv", format="csv", **changes)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    marker = Marker(uri_template=f"{tmp_path.as_uri()}/orders/{{partition}}.done")
    source = source_of(tmp_path, marker=marker)
    assert arrival(source, DAY).missing == f"the source's folder does not exist: {tmp_path.as_uri()}/orders"
    (tmp_path / "orders").mkdir()
    assert arrival(source, DAY).missing == f"no file of arrivals {tmp_path.as_uri()}/orders/2026-01-31.csv"
    (tmp_path / "orders" / "2026-01-31.csv.gz").write_bytes(b"x")
    found = arrival(source, DAY)
    assert found.uri is None
    assert found.missing == f"the file is there, its marker is not: {tmp_path.as_uri()}/orders/2026-01-31.done"
    assert arrived_bytes(source, DAY) is None
    (tmp_path / "orders" / "2026-01-31.done").touch()
    assert arrival(source, DAY).uri == f"{tmp_path.as_uri()}/orders/2026-01-31.csv.gz"
    assert no_new_data({"2026-01-30": "a", "2026-01-31": "b"}) == "no new data: a (and 1 more, to 2026-01-31)"


def test_a_folder_in_the_files_place_is_refused_by_whoever_asks_its_size(tmp_path: Path) -> None:
    (tmp_path / "orders" / "2026-01-31.csv").mkdir(parents=True)
    with pytest.raises(BadInputError, match="not a file"):
        arrived_bytes(source_of(tmp_path), DAY)
    with pytest.raises(FileNotFoundError):
        identity(source_of(tmp_path).uri(DAY))


def test_a_file_is_another_once_it_was_written_to_or_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    first = identity(file.as_uri())
    assert identity(file.as_uri()) == first
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    touched = identity(file.as_uri())
    assert touched != first
    assert touched.text != first.text
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.rename(file)
    assert identity(file.as_uri()) != touched, "as large and as old, and another file"
    with pytest.raises(FileNotFoundError):
        identity((tmp_path / "nothing").as_uri())


def test_a_store_of_fsspec_says_what_it_knows() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/folder/file", b"one")
    first = identity("memory://folder/file")
    assert first == identity("memory://folder/file")
    memory.rm("/folder/file")
    memory.pipe("/folder/file", b"two")
    assert identity("memory://folder/file") != first
