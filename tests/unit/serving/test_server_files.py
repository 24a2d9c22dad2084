"""The two files between rollout and server, and the client's request bodies."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.model import ModelVersion
from millrace.contracts.serving import ServingStatus
from millrace.contracts.workload import ServingPolicy
from millrace.serving.client import request_body
from millrace.serving.server_files import ServerFiles, ServingTimeoutError
from millrace.storage import files
from millrace.storage.signature import SigningKey

MODEL = ModelVersion(workload="w", version="v1", uri="file:///m/v1", manifest_sha256="0" * 64)
KEY = SigningKey.of(base64.b64encode(bytes(32)).decode())
OTHER = MODEL.model_copy(update={"version": "v2"})


@pytest.fixture
def server_files(tmp_path: Path) -> ServerFiles:
    return ServerFiles(files.to_uri(tmp_path), "w", KEY)


def tell(server_files: ServerFiles, generation: int) -> None:
    now = datetime.now(UTC)
    status = ServingStatus(
        generation=generation, state="ready", pid=7, started_at=now, updated_at=now, address="http://127.0.0.1:1"
    )
    files.write_bytes(server_files.status_uri, status.model_dump_json().encode())


def test_each_workload_has_its_own_folder(tmp_path: Path, server_files: ServerFiles) -> None:
    assert server_files.target_uri == files.to_uri(tmp_path / "serving" / "w" / "target.json")
    assert server_files.status_uri.endswith("/serving/w/status.json")
    with pytest.raises(BadInputError):
        _ = ServerFiles(server_files.root_uri, "../w", KEY).target_uri


def test_each_order_is_newer_than_every_order_before(server_files: ServerFiles) -> None:
    assert server_files.read_target() is None
    assert server_files.read_status() is None
    assert server_files.write_target(ServingPolicy(), MODEL).generation == 1
    second = server_files.write_target(ServingPolicy(), MODEL, OTHER, 10)
    assert (second.generation, second.canary, second.canary_percent) == (2, OTHER, 10)
    assert server_files.read_target() == second
    tell(server_files, 40)  # the target was removed, the server is further on
    assert server_files.write_target(ServingPolicy(), MODEL, None, 50).generation == 41
    assert server_files.read_target().canary_percent == 0


def test_waiting_ends_with_the_wanted_status(server_files: ServerFiles) -> None:
    tell(server_files, 3)
    assert server_files.wait_for(lambda status: status.generation == 3, "three", 0).pid == 7


def test_waiting_in_vain_names_what_and_the_server_s_last_word(server_files: ServerFiles) -> None:
    tell(server_files, 3)
    with pytest.raises(
        ServingTimeoutError, match=r"waited 0\.2 s for four; process 7 wrote .* generation 3, ready"
    ) as caught:
        server_files.wait_for(lambda status: status.generation == 4, "four", 0.2)
    assert isinstance(caught.value, TransientError)
    assert server_files.status_uri in str(caught.value)
    assert server_files.log_uri in str(caught.value)


def test_a_file_that_is_no_status_is_named(server_files: ServerFiles) -> None:
    files.write_bytes(server_files.status_uri, b"{}")
    with pytest.raises(BadInputError, match=r"status\.json"):
        server_files.read_status()


def test_tensors_follow_the_values() -> None:
    rows = [
        {"text": "x", "count": 1, "size": 1, "known": True},
        {"text": "y", "count": 2, "size": 2.5, "known": False},
    ]
    tensors = {tensor["name"]: tensor for tensor in request_body(rows)["inputs"]}
    assert {name: tensor["datatype"] for name, tensor in tensors.items()} == {
        "text": "BYTES",
        "count": "INT64",
        "size": "FP64",
        "known": "BOOL",
    }
    assert tensors["size"] == {"name": "size", "shape": [2], "datatype": "FP64", "data": [1, 2.5]}


@pytest.mark.parametrize("rows", [[], [{"a": 1}, {"b": 1}], [{"a": None}], [{"a": 1}, {"a": "x"}], [{"a": [1]}]])
def test_rows_that_are_no_tensors_are_bad_input(rows: list[dict[str, object]]) -> None:
    with pytest.raises(BadInputError):
        request_body(rows)
