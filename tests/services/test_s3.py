"""The storage room on a real S3 does what it does on local files."""

from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError, RefusedError, StepError
from millrace.contracts.model import FolderManifest
from millrace.storage import base_models, files, folders, s3


def test_a_file_is_put_whole_listed_read_in_pieces_and_removed(root: str) -> None:
    uri = files.join(root, "run", "spec.json")
    files.write_bytes(uri, b"one")
    files.write_bytes(uri, b"two" * 1_000_000)
    assert files.read_bytes(uri) == b"two" * 1_000_000
    assert b"".join(files.chunks(uri)) == b"two" * 1_000_000
    assert files.size_bytes(uri) == 3_000_000
    assert files.names(files.join(root, "run")) == ["spec.json"]
    assert files.exists(uri)
    assert files.exists(files.join(root, "run"))
    files.delete(uri)
    files.delete(uri)
    assert not files.exists(uri)


def test_what_is_not_there_is_no_surprise(root: str) -> None:
    assert files.names(files.join(root, "nothing")) == []
    with pytest.raises(FileNotFoundError):
        files.read_bytes(files.join(root, "nothing"))
    with pytest.raises(FileNotFoundError):
        files.size_bytes(files.join(root, "nothing"))


def test_a_folder_is_sealed_fetched_and_refused_once_it_was_changed(root: str, tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"w" * 20_000_000)
    folder = files.join(root, "model")
    files.put_file(source, files.join(folder, "weights"))
    sha256 = folders.seal(folder, FolderManifest(kind="trained", files=folders.digests(folder)))
    manifest = folders.open_sealed(folder, sha256, FolderManifest)
    local = folders.fetch(folder, list(manifest.files), tmp_path / "fetched")
    assert (local / "weights").read_bytes() == source.read_bytes()
    files.write_bytes(files.join(folder, "weights"), b"v" * 20_000_000)
    with pytest.raises(RefusedError, match="changed"):
        folders.open_sealed(folder, sha256, FolderManifest)


def test_a_base_model_is_brought_in_twice_with_one_digest(root: str, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    uri = files.join(root, "base-models", "tiny")
    assert base_models.add(tmp_path, uri) == base_models.add(tmp_path, uri)


def test_a_bucket_that_is_not_there_says_so(s3_uri: str) -> None:
    with pytest.raises(StepError, match="s3://no-such-bucket-of-millrace"):
        files.write_bytes("s3://no-such-bucket-of-millrace/file", b"x")


def test_a_uri_without_a_bucket_is_refused() -> None:
    with pytest.raises(BadInputError, match="bucket"):
        s3.path_of("s3:///key")


def test_an_endpoint_that_is_no_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "s3.example.org")
    with pytest.raises(BadInputError, match="AWS_ENDPOINT_URL"):
        files.exists("s3://bucket/key")
