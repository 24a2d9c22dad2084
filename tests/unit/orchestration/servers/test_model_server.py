"""Who serves what on this machine is told after the server was asked, never from what was ordered."""

import base64
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import BadInputError
from millrace.contracts.run_spec import RunSpec, ServeTask
from millrace.contracts.serving import ServingStatus, VersionHealth
from millrace.orchestration.servers import model_server
from millrace.runs.run import Run
from millrace.serving.client import Access
from millrace.serving.secret import serving_secret
from millrace.serving.server_files import ServerFiles
from millrace.storage import files
from millrace.storage.signature import SigningKey

PID = 4242
KEY = SigningKey.of(base64.b64encode(bytes(32)).decode())


class Launcher:
    """A process launcher whose services live or not, as a test says."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.started: list[RunSpec] = []

    def service_pid(self, state_uri: str) -> int | None:
        return self.pid

    def service_running(self, state_uri: str) -> bool:
        return self.pid is not None

    def start_service(self, image: str, spec: RunSpec, document: bytes, arguments: Sequence[str]) -> int:
        self.started.append(spec)
        return PID


@pytest.fixture
def stranger() -> Iterator[SimpleNamespace]:
    """Somebody's server that answers everything with ``status``."""
    answer = SimpleNamespace(status=200, address="")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answer.address = f"http://127.0.0.1:{server.server_port}"
    yield answer
    server.shutdown()


@pytest.fixture
def server_files(tmp_path: Path, spec: RunSpec, stranger: SimpleNamespace) -> ServerFiles:
    server_files = ServerFiles(files.to_uri(tmp_path), "flowers", KEY)
    task = ServeTask(
        target_uri=server_files.target_uri, status_uri=server_files.status_uri, host="127.0.0.1",
        port=int(stranger.address.rpartition(":")[2]),
    )  # fmt: skip
    written = spec.model_copy(update={"task": task})
    files.write_bytes(server_files.spec_uri, KEY.signed(server_files.spec_uri, written))
    return server_files


def settings(server_files: ServerFiles, launcher: Launcher, secrets: str = "") -> Any:
    secured = {"serving_tls": bool(secrets), "serving_token": bool(secrets), "serving_secrets": secrets}
    return SimpleNamespace(
        store=server_files.root_uri,
        process_launcher=lambda: launcher,
        server_files=lambda name: ServerFiles(server_files.root_uri, name, KEY),
        ledger=lambda: SimpleNamespace(live_model=lambda workload: None),
        **secured,
    )


def no_run(workload: str) -> Run:
    """The workload's DAG, where no server is to be replaced."""
    raise AssertionError(workload)


def says(server_files: ServerFiles, address: str, pid: int = PID) -> None:
    now = datetime.now(UTC)
    status = ServingStatus(
        generation=1, state="ready", stable=VersionHealth(version="v1"), pid=pid, started_at=now, updated_at=now,
        address=address,
    )  # fmt: skip
    files.write_bytes(server_files.status_uri, status.model_dump_json().encode())


def test_a_server_that_answers_is_told_with_its_version(server_files: ServerFiles, stranger: SimpleNamespace) -> None:
    says(server_files, stranger.address)
    (found,) = model_server.serving(settings(server_files, Launcher(PID)))
    assert str(found) == f"flowers: {stranger.address} serves version v1"


@pytest.mark.parametrize(("pid", "state"), [(None, "down"), (PID + 1, "starting")])
def test_what_another_server_answers_at_the_old_address_is_not_ours(
    server_files: ServerFiles, stranger: SimpleNamespace, pid: int | None, state: str
) -> None:
    says(server_files, stranger.address)
    (found,) = model_server.serving(settings(server_files, Launcher(pid)))
    assert found.state == state
    assert stranger.address not in str(found)


def test_a_server_without_a_version_is_not_said_to_serve(server_files: ServerFiles, stranger: SimpleNamespace) -> None:
    says(server_files, stranger.address)
    stranger.status = 503
    (found,) = model_server.serving(settings(server_files, Launcher(PID)))
    assert found.state == "silent"


def test_a_server_that_ends_at_once_is_told_as_such(server_files: ServerFiles, stranger: SimpleNamespace) -> None:
    says(server_files, stranger.address)
    launcher = Launcher(None)
    (found,) = model_server.resume_servers(settings(server_files, launcher), no_run)
    assert len(launcher.started) == 1
    assert found.state == "down"
    assert server_files.log_uri in str(found)


def test_an_order_of_another_version_is_told_and_keeps_nobody_else_down(server_files: ServerFiles) -> None:
    other = ServerFiles(server_files.root_uri, "newer", KEY)
    files.write_bytes(other.spec_uri, b'{"schema_version": 99}')
    launcher = Launcher(None)
    assert [each.workload for each in model_server.resume_servers(settings(server_files, launcher), no_run)] == [
        "flowers"
    ]
    told = {each.workload: str(each) for each in model_server.serving(settings(server_files, launcher))}
    assert "run its DAG again" in told["newer"]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What the servers of a site with TLS and a token have."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    made = yaml.safe_load(serving_secret(Cluster(stop_grace_seconds=1, verify_key="")))["data"]
    for name, value in made.items():
        (folder / name).write_bytes(base64.b64decode(value))
    return folder


def test_a_server_is_started_again_with_the_secrets_that_are_set_now(server_files: ServerFiles, secrets: Path) -> None:
    launcher = Launcher(None)
    model_server.resume_servers(settings(server_files, launcher, str(secrets)), no_run)
    (spec,) = launcher.started
    assert isinstance(spec.task, ServeTask)
    assert (spec.task.tls, spec.task.token, spec.task.secrets_folder) == (True, True, str(secrets))
    assert spec.task.target_uri == server_files.target_uri


def test_a_client_has_the_authority_and_the_token(server_files: ServerFiles, secrets: Path) -> None:
    given = model_server.access(settings(server_files, Launcher(PID), str(secrets)))
    assert given.ca == (secrets / "ca.crt").read_text().strip()
    assert given.token == (secrets / "token").read_text().strip()
    assert given.token not in repr(given)
    assert model_server.access(settings(server_files, Launcher(PID))) == Access()


def test_a_secret_that_is_missing_is_named(server_files: ServerFiles, secrets: Path) -> None:
    (secrets / "token").unlink()
    with pytest.raises(BadInputError, match="token cannot be read"):
        model_server.access(settings(server_files, Launcher(PID), str(secrets)))
