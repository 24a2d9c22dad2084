"""Who serves what on this machine is told after the server was asked, never from what was ordered."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from millrace import model_server
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.contracts.serving import ServingStatus, VersionHealth
from millrace.serving.room import ServingRoom
from millrace.storage import files

PID = 4242


class Launcher:
    """A process launcher whose services live or not, as a test says."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.started: list[RunSpec] = []

    def service_pid(self, state_uri: str) -> int | None:
        return self.pid

    def service_running(self, state_uri: str) -> bool:
        return self.pid is not None

    def start_service(self, image: str, spec: RunSpec) -> int:
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
def room(tmp_path: Path, spec: RunSpec) -> ServingRoom:
    room = ServingRoom(files.to_uri(tmp_path), "flowers")
    task = ServeTask(target_uri=room.target_uri, status_uri=room.status_uri, host="127.0.0.1", port=9)
    written = spec.model_copy(update={"task": task})
    files.write_bytes(files.join(room.uri, SPEC_FILE), written.model_dump_json().encode())
    return room


def settings(room: ServingRoom, launcher: Launcher) -> Any:
    return SimpleNamespace(store=room.root_uri, process_launcher=lambda: launcher)


def says(room: ServingRoom, address: str, pid: int = PID) -> None:
    now = datetime.now(UTC)
    status = ServingStatus(
        generation=1, state="ready", stable=VersionHealth(version="v1"), pid=pid, started_at=now, updated_at=now,
        address=address,
    )  # fmt: skip
    files.write_bytes(room.status_uri, status.model_dump_json().encode())


def test_a_server_that_answers_is_told_with_its_version(room: ServingRoom, stranger: SimpleNamespace) -> None:
    says(room, stranger.address)
    (found,) = model_server.serving(settings(room, Launcher(PID)))
    assert str(found) == f"flowers: {stranger.address} serves version v1"


@pytest.mark.parametrize(("pid", "state"), [(None, "down"), (PID + 1, "starting")])
def test_what_another_server_answers_at_the_old_address_is_not_ours(
    room: ServingRoom, stranger: SimpleNamespace, pid: int | None, state: str
) -> None:
    says(room, stranger.address)
    (found,) = model_server.serving(settings(room, Launcher(pid)))
    assert found.state == state
    assert stranger.address not in str(found)


def test_a_server_without_a_version_is_not_said_to_serve(room: ServingRoom, stranger: SimpleNamespace) -> None:
    says(room, stranger.address)
    stranger.status = 503
    (found,) = model_server.serving(settings(room, Launcher(PID)))
    assert found.state == "silent"


def test_a_server_that_ends_at_once_is_told_as_such(room: ServingRoom, stranger: SimpleNamespace) -> None:
    says(room, stranger.address)
    launcher = Launcher(None)
    (found,) = model_server.resume_servers(settings(room, launcher))
    assert len(launcher.started) == 1
    assert found.state == "down"
    assert room.log_uri in str(found)


def test_an_order_of_another_version_is_told_and_keeps_nobody_else_down(room: ServingRoom) -> None:
    other = ServingRoom(room.root_uri, "newer")
    files.write_bytes(files.join(other.uri, SPEC_FILE), b'{"schema_version": 99}')
    launcher = Launcher(None)
    assert [each.workload for each in model_server.resume_servers(settings(room, launcher))] == ["flowers"]
    told = {each.workload: str(each) for each in model_server.serving(settings(room, launcher))}
    assert "run its DAG again" in told["newer"]
