"""Files by URI."""

import errno
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders


def test_a_file_is_put_whole_and_read_back(tmp_path: Path) -> None:
    uri = files.join(files.to_uri(tmp_path), "deep", "file.json")
    files.write_bytes(uri, b"one")
    files.write_bytes(uri, b"two")
    assert files.read_bytes(uri) == b"two"
    assert files.size_bytes(uri) == 3
    assert files.names(files.join(files.to_uri(tmp_path), "deep")) == ["file.json"]


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = files.join(files.to_uri(tmp_path), "file")
    files.write_bytes(uri, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInputError, match="No space left"):
        files.write_bytes(uri, b"new")
    assert files.read_bytes(uri) == b"old"
    assert files.names(files.to_uri(tmp_path)) == ["file"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\\b", "a\0b", "a?b", "a:b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="file name"):
        files.join("file:///data", name)


@pytest.mark.parametrize(
    "uri", ["file:///data/../etc/passwd", "file:///data/%2e%2e/etc/passwd", "s3://bucket/../other"]
)
def test_a_path_that_leads_out_is_refused(uri: str) -> None:
    with pytest.raises(BadInputError, match=r"\.\."):
        files.read_bytes(uri)


def test_an_unknown_scheme_names_what_is_known() -> None:
    with pytest.raises(BadInputError, match="hdfs://"):
        files.exists("gopher2://host/path")


@pytest.mark.parametrize(
    ("kept", "accepted"), [(b"\5\4\0\0", True), (b"\5\5", False), (b"HDTS\0", False), (b"", False), (None, True)]
)
@pytest.mark.parametrize("named", ["{}", "FILE:{}"])
def test_a_file_that_is_no_credential_cache_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bytes | None, accepted: bool, named: str
) -> None:
    """libkrb5 would end the process by a signal."""
    cache = tmp_path / "cache"
    if kept is not None:
        cache.write_bytes(kept)
    monkeypatch.setenv("KRB5CCNAME", named.format(cache))
    with nullcontext() if accepted else pytest.raises(BadInputError, match=f"(?s){cache}.*kinit"):
        files.locate("hdfs://127.0.0.1:8020/a")


def test_reading_has_a_limit(tmp_path: Path) -> None:
    uri = files.join(files.to_uri(tmp_path), "large")
    files.write_bytes(uri, b"x" * 11)
    with pytest.raises(BadInputError, match="at most 10 bytes"):
        files.read_bytes(uri, limit=10)


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[str, str]:
    folder = files.to_uri(tmp_path / "folder")
    files.write_bytes(files.join(folder, "weights"), b"w" * 100)
    return folder, folders.seal(folder, FolderManifest(kind="trained", files=folders.digests(folder)))


def test_a_sealed_folder_opens_with_its_digest(sealed: tuple[str, str]) -> None:
    manifest = folders.open_sealed(*sealed, FolderManifest)
    assert manifest.files["weights"].size_bytes == 100


@pytest.mark.parametrize("change", ["weights", "manifest.json", "missing", "digest"])
def test_a_changed_folder_is_refused(sealed: tuple[str, str], change: str) -> None:
    folder, digest = sealed
    if change == "missing":
        files.local_path(files.join(folder, "weights")).unlink()
    elif change == "digest":
        digest = "0" * 64
    else:
        path = files.local_path(files.join(folder, change))
        path.write_bytes(path.read_bytes().replace(b"w", b"v", 1))
    with pytest.raises(RefusedError):
        folders.open_sealed(folder, digest, FolderManifest)


def test_a_folder_that_comes_while_it_is_looked_at_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    local, looks = fs.LocalFileSystem(), []

    class Late:
        def get_file_info(self, selector: fs.FileSelector) -> Any:
            looks.append(selector)
            if len(looks) < 3:
                raise FileNotFoundError(selector.base_dir)
            return local.get_file_info(selector)

    monkeypatch.setattr(files, "locate", lambda uri: (Late(), files.local_path(uri).as_posix()))
    assert files.names(files.to_uri(tmp_path)) == ["file"]
    assert len(looks) == 3
