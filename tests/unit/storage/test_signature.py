"""Whoever can write to the store does not say what is served: orders are signed for their place."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy
from millrace.serving.server_files import ServerFiles
from millrace.storage import files
from millrace.storage.signature import SigningKey, opened

MODEL = ModelVersion(workload="w", version="v1", uri="file:///m/v1", manifest_sha256="0" * 64)
KEY = SigningKey.of(base64.b64encode(bytes(32)).decode())


def test_an_order_is_what_was_signed() -> None:
    assert ModelVersion.model_validate_json(opened(KEY.signed("file:///a", MODEL), "file:///a", KEY.public)) == MODEL


@pytest.mark.parametrize("data", [b"", b"{}", MODEL.model_dump_json().encode(), b'{"order": "{}", "signature": "%%"}'])
def test_what_was_not_signed_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="no valid signature"):
        opened(data, "file:///a", KEY.public)


def test_an_order_counts_in_its_own_place_and_by_its_own_key_alone() -> None:
    data = KEY.signed("file:///a", MODEL)
    other = SigningKey.of(base64.b64encode(b"x" * 32).decode())
    for uri, public in (("file:///b", KEY.public), ("file:///a", other.public), ("file:///a", "none")):
        with pytest.raises(RefusedError):
            opened(data, uri, public)


def test_airflow_does_not_read_back_what_it_did_not_write(tmp_path: Path) -> None:
    server_files = ServerFiles(files.to_uri(tmp_path), "w", KEY)
    target = server_files.write_target(ServingPolicy(), MODEL)
    assert server_files.read_target() == target
    files.write_bytes(server_files.target_uri, target.model_dump_json().encode())
    with pytest.raises(RefusedError):
        server_files.read_target()


def test_the_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "signing.key"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: SigningKey.kept(path).public, range(32)))
    assert len(set(made)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["signing.key"]


@pytest.mark.parametrize("text", ["", "short", "!" * 44, base64.b64encode(bytes(31)).decode()])
def test_a_key_that_is_none_is_told_and_not_shown(text: str) -> None:
    with pytest.raises(BadInputError) as refused:
        SigningKey.of(text)
    assert not text or text not in str(refused.value)
    assert "urandom" in str(refused.value)
    assert base64.b64encode(bytes(32)).decode() not in repr(KEY)
