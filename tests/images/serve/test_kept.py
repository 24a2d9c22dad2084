"""Connections that are kept: a request's version ends with the request, and the server's end loses none."""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from typing import Any

import httpx
import pytest

from millrace_serve import service
from tests.images.serve.conftest import ModelStore, Server, StartServer

INFER = "/v2/models/colours/infer"


def content(padding: int = 0) -> bytes:
    inputs = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1.0]} for name in ("a", "b")]
    return json.dumps({"inputs": inputs}).encode() + b" " * padding


def request(path: str, body: bytes) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answers(connection: socket.socket, count: int) -> list[dict[str, Any]]:
    stream = connection.makefile("rb")
    found = []
    for _ in range(count):
        assert stream.readline().startswith(b"HTTP/1.1 200")
        length = 0
        while (line := stream.readline().lower()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found.append(json.loads(stream.read(length)))
    return found


@pytest.fixture(scope="module")
def server(start_server: StartServer, store: ModelStore) -> Any:
    server = start_server()
    old, new = store.tabular("v1"), store.tabular("v2")
    server.order(new, old)  # v2 is stable, v1 is loaded beside it
    return server


@pytest.mark.parametrize("padding", [0, 300_000])
@pytest.mark.parametrize("pipelined", [False, True])
def test_a_version_in_a_path_is_asked_once(server: Server, padding: int, pipelined: bool) -> None:
    pinned = request("/v2/models/colours/versions/v1/infer", content(padding))
    plain = request(INFER, content(padding))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        if pipelined:
            connection.sendall(pinned + plain + plain)
            found = answers(connection, 3)
        else:
            found = []
            for each in (pinned, plain, plain):
                connection.sendall(each[:100])
                time.sleep(0.01)
                connection.sendall(each[100:])
                found += answers(connection, 1)
    assert [answer["model_version"] for answer in found] == ["v1", "v2", "v2"]


def test_readiness_of_a_version_pins_nothing_either(server: Server) -> None:
    with httpx.Client(base_url=server.address, timeout=30, trust_env=False) as http:
        assert http.get("/v2/models/colours/versions/v9/ready").status_code == 404
        assert http.get("/v2/models/colours/ready").status_code == 200
        assert http.get("/v2/health/ready").status_code == 200


class KeptConnections:
    """Clients that ask over kept connections until they are told that the server closes, and then once more."""

    def __init__(self, server: Server, clients: int, pause_seconds: float) -> None:
        self._server, self._pause_seconds = server, pause_seconds
        self.seen: Counter[str] = Counter()
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "KeptConnections":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(timeout=60)

    def _ask(self) -> None:
        while True:
            connection = HTTPConnection("127.0.0.1", self._server.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                self.seen["refused"] += 1  # nothing was sent: nothing is lost
                return
            self.seen["connections"] += 1
            while self._is_kept_after_an_answer(connection):
                time.sleep(self._pause_seconds)
            connection.close()

    def _is_kept_after_an_answer(self, connection: HTTPConnection) -> bool:
        try:
            connection.request("POST", INFER, content())
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException) as error:
            self.lost.append(repr(error))
            return False
        self.seen[str(response.status)] += 1
        return response.getheader("connection") != "close"


@pytest.mark.parametrize("pause_seconds", [0.0, 0.05])
def test_sigterm_loses_no_request_on_kept_connections(
    start_server: StartServer, store: ModelStore, pause_seconds: float
) -> None:
    server = start_server()
    server.order(store.tabular("v1"))
    with KeptConnections(server, clients=8, pause_seconds=pause_seconds) as clients:
        while clients.seen["200"] < 100:
            time.sleep(0.01)
        assert server.stop() == 0
    assert clients.lost == []
    assert set(clients.seen) == {"200", "connections", "refused"}


def test_a_status_is_told_after_the_socket_listens(start_server: StartServer) -> None:
    server = start_server(wait=False)
    deadline = time.monotonic() + 60
    while server.server_files.read_status() is None:
        assert time.monotonic() < deadline
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_what_a_released_version_answers_late_does_not_bring_its_series_back(
    start_server: StartServer, store: ModelStore
) -> None:
    server = start_server()
    server.order(store.tabular("v1", fault="slow", rounds=10 * store.tenth))
    answered: list[httpx.Response] = []
    late = threading.Thread(target=lambda: answered.append(server.infer([(1000.0, 0.0)])))
    late.start()
    server.wait_in_flight(1)
    server.order(store.tabular("v2"))
    late.join(timeout=60)
    assert answered[0].json()["model_version"] == "v1"
    lines = server.http.get("/metrics").text.splitlines()
    assert [line for line in lines if 'version="v1"' in line] == []
    assert [line for line in lines if 'version="v2"' in line]


def test_an_answer_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    async def accepted_without_delay() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with service.listen("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(accept, sock=listener):
                with socket.create_connection(listener.getsockname(), timeout=30):
                    return await asyncio.wait_for(found, 30)

    assert asyncio.run(accepted_without_delay()) != 0
