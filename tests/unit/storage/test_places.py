"""Airflow's processes open the site's places and those of declared sources, whoever names another one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from millrace.contracts.data import Source
from millrace.contracts.errors import RefusedError, StepError
from millrace.runs.located_source import located_source
from millrace.storage import files, places


@pytest.fixture(autouse=True)
def confined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_confined", None)
    for name in ("store", "storehouse", "elsewhere"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    places.confine(files.to_uri(tmp_path / "store"), "")


def test_what_lies_in_the_place_is_read(tmp_path: Path) -> None:
    assert files.read_bytes(files.to_uri(tmp_path / "store" / "file")) == b"store"


@pytest.mark.parametrize("read", [files.read_bytes, files.exists, files.size_bytes, files.names, files.locate])
@pytest.mark.parametrize("name", ["storehouse/file", "elsewhere/file", "store/../elsewhere/file", "store/%2e%2e/x"])
def test_a_place_beside_it_is_not(read: Callable[[str], object], name: str, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"does not open|leads out"):
        read(f"{tmp_path.as_uri()}/{name}")


@pytest.mark.parametrize("uri", ["s3://other/key", "hdfs://other/x", "http://127.0.0.1:1/", "file:///etc/passwd"])
def test_no_connection_is_made_to_another_store(uri: str) -> None:
    with pytest.raises(RefusedError, match="does not open"):
        files.read_bytes(uri)


def test_a_declared_source_is_a_place_of_its_own(tmp_path: Path) -> None:
    source = Source(uri_template=f"{(tmp_path / 'elsewhere').as_uri()}/{{partition}}.jsonl", format="jsonl")
    located_source(source, "file:///arrivals")
    assert files.read_bytes(files.to_uri(tmp_path / "elsewhere" / "file")) == b"elsewhere"
    with pytest.raises(RefusedError):
        files.read_bytes(files.to_uri(tmp_path / "storehouse" / "file"))
