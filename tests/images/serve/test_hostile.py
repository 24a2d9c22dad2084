"""Hostile and clumsy clients, each bounded, on loopback: the server stays up within 1 GiB and answers the others."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.contracts.workload import ServingPolicy
from millrace_serve import wire
from millrace_serve.refusal import RequestRefusedError
from tests.images.serve.conftest import ModelStore, Server, StartServer

INFER = "/v2/models/colours/infer"
GIB = 1024**3
MIB = 1024**2


@pytest.fixture(scope="module")
def server(start_server: StartServer, store: ModelStore) -> Any:
    server = start_server(ServingPolicy(max_request_seconds=120))
    assert server.order(store.text("v1", max_length=64, layers=16)).state == "ready"
    return server


@pytest.fixture(scope="module")
def tls_server(start_server: StartServer, store: ModelStore, secrets: Path) -> Any:
    server = start_server(secrets=secrets, tls=True, token=True, wait=False)
    context = ssl.create_default_context(cafile=str(secrets / "tls.crt"))
    server.http = httpx.Client(base_url=f"https://localhost:{server.port}", verify=context, timeout=60, trust_env=False)
    server.order(store.text("v1"))
    return server


def texts(rows: list[str], **more: Any) -> dict[str, Any]:
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(rows)], "data": rows}], **more}


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def send_until_refused(connection: socket.socket, pieces: Iterator[bytes]) -> bool:
    """Send until the server closes the connection; False where it took everything and still waits for more."""
    try:
        for piece in pieces:
            connection.sendall(piece)
        return connection.recv(1) != b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("one_header", [False, True])
def test_endless_headers_are_refused_before_they_take_memory(tls_server: Any, one_header: bool) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    piece = b"x" * 65536 if one_header else b"x-name: value\r\n" * 4096

    def attack() -> bool:
        with context.wrap_socket(connect(tls_server)) as connection:
            connection.settimeout(5)
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nx-first: ")
            return send_until_refused(connection, (piece for _ in range(800)))

    with ThreadPoolExecutor(10) as pool:
        assert all([each.result() for each in [pool.submit(attack) for _ in range(10)]])
    assert tls_server.http.get("/v2/health/live").status_code == 200
    assert tls_server.peak_memory_bytes() < GIB


def test_headers_that_never_end_are_408(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.sendall(b" ")
        assert b"HTTP/1.1 408" in connection.recv(1000)


def test_a_body_of_endless_chunk_sizes_is_ended(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"1;" + b"x" * 65000 + b"\r\n{\r\n"
        assert send_until_refused(connection, (chunk for _ in range(200)))


def test_an_output_is_asked_for_once(server: Server) -> None:
    asked = [{"name": "probabilities"}] * 4000
    response = server.http.post(INFER, json=texts(["red"], outputs=asked))
    assert response.status_code == 400
    assert "occurs twice" in response.json()["error"]


def test_what_an_error_repeats_is_cut(server: Server) -> None:
    for wrong in ({"outputs": [{"name": "x" * 100_000}]}, {"id": 5, "x" * 100_000: 1}):
        response = server.http.post(INFER, json=texts(["red"], **wrong))
        assert response.status_code == 400
        assert len(response.content) < 1000
    many = [{"name": f"{number}\n", "datatype": "BYTES", "shape": [1], "data": ["red"]} for number in range(4000)]
    response = server.http.post(INFER, json={"inputs": many})
    assert response.status_code == 400
    assert len(response.content) < 1000


def test_binary_tensors_cannot_be_the_same_bytes_over_and_over(server: Server) -> None:
    sizes = [MIB // 2, -MIB // 2] * 50
    inputs = [
        {"name": str(at), "datatype": "UINT8", "shape": [size], "parameters": {"binary_data_size": size}}
        for at, size in enumerate(sizes)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    response = server.http.post(INFER, content=head + bytes(MIB // 2), headers=headers)
    assert response.status_code == 400
    assert "binary_data_size" in response.json()["error"]


def test_bodies_that_come_slowly_shut_nobody_out(server: Server) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{".encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(200)]
        for connection in slow:
            connection.sendall(head)
        assert server.http.post(INFER, json=texts(["red"])).status_code == 200
        for connection in slow:
            connection.sendall(b" ")
        assert server.http.post(INFER, json=texts(["red"])).status_code == 200


def test_unfinished_bodies_are_given_up_for_others(server: Server) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}\r\n\r\n".encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(80)]
        for connection in slow:  # more than the server holds, and none of them whole
            connection.sendall(head + b" " * (MIB - 1))
        assert server.http.post(INFER, json=texts(["red"])).status_code == 200
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408")
    assert server.peak_memory_bytes() < GIB


def test_a_client_has_a_bounded_number_of_connections(server: Server) -> None:
    with ExitStack() as stack:
        # more than all clients together may have: where the machine stands still, the first ones are given up
        opened = [stack.enter_context(connect(server)) for _ in range(600)]
        assert any(connection.recv(100).startswith(b"HTTP/1.1 503") for connection in reversed(opened))
        other = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=other, base_url=server.address) as another_client:
            assert another_client.get("/v2/health/live").status_code == 200


def test_answers_that_are_not_taken_hold_bounded_memory(server: Server) -> None:
    content = json.dumps(texts(["red " * 40] * 64)).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(30):
            connection = stack.enter_context(connect(server))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head + content)
        assert server.http.post(INFER, json=texts(["red"]), timeout=60).status_code == 200
    assert server.peak_memory_bytes() < GIB


def test_requests_whose_clients_have_gone_cost_the_model_nothing(start_server: StartServer, store: ModelStore) -> None:
    server = start_server(ServingPolicy(max_request_seconds=120))
    server.order(store.tabular("v1", fault="slow", rounds=30 * store.tenth))
    slots = len(os.sched_getaffinity(0))
    inputs = [{"name": name, "datatype": "FP64", "shape": [1], "data": [1000.0]} for name in ("a", "b")]
    content = json.dumps({"inputs": inputs}).encode()
    request = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content

    with ThreadPoolExecutor(slots) as pool:
        answered = [pool.submit(server.infer_alone, (1000.0, 0.0)) for _ in range(slots)]
        server.wait_in_flight(slots)
        with ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(server)).sendall(request)
            server.wait_in_flight(slots + 20)
        assert {each.result().status_code for each in answered} == {200}
    assert server.infer([(1.0, 0.0)]).status_code == 200
    assert server.metric('millrace_requests_total{outcome="ok",version="v1"') == slots + 1


def p99_seconds(ask: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        began = time.monotonic()
        ask()
        taken.append(time.monotonic() - began)
    return sorted(taken)[int(count * 0.99) - 1]


FULL_SIZE_CLIENTS = r"""
import collections, http.client, json, sys, threading, time
port, clients, ends_at = int(sys.argv[1]), int(sys.argv[2]), time.monotonic() + 120
rows = ["red " * 4000] * 64
body = json.dumps({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [64], "data": rows}]}).encode()
statuses = collections.Counter()
stop = threading.Event()

def send():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=150)
    while not stop.is_set() and time.monotonic() < ends_at:
        connection.request("POST", "/v2/models/colours/infer", body)
        response = connection.getresponse()
        response.read()
        statuses[response.status] += 1
        sys.stdout.write(f"{len(body)}\n")  # at once: print writes the line's end apart, and there are other threads
        sys.stdout.flush()

threads = [threading.Thread(target=send) for _ in range(clients)]
for thread in threads:
    thread.start()
sys.stdin.read()
stop.set()
for thread in threads:
    thread.join()
print(json.dumps(statuses))
"""


def beside_full_size_clients(port: int, measure: Callable[[], float]) -> float:
    """What is measured while eight clients send requests of the largest size, all of which are answered."""
    command = [sys.executable, "-c", FULL_SIZE_CLIENTS, str(port), "8"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdin is not None
        assert clients.stdout is not None
        assert MIB * 0.95 < int(clients.stdout.readline()) <= MIB
        measured = measure()
        clients.stdin.close()
        *_, statuses = clients.stdout
    assert set(json.loads(statuses)) == {"200"}
    return measured


def test_full_size_requests_leave_a_normal_client_its_answers(server: Server) -> None:
    def ask() -> None:
        assert server.http.post(INFER, json=texts(["red " * 60])).status_code == 200

    p99_seconds(ask, 20)
    ratios: list[float] = []
    while not ratios or (ratios[-1] > 3 and len(ratios) < 3):  # the machine's other load comes and goes
        quiet_seconds = p99_seconds(ask, 100)
        busy_seconds = beside_full_size_clients(server.port, lambda: p99_seconds(ask, 100))
        ratios.append(busy_seconds / max(quiet_seconds, p99_seconds(ask, 100)))
    assert min(ratios) <= 3
    assert server.peak_memory_bytes() < GIB


def test_what_cannot_be_answered_in_time_is_refused_at_once(start_server: StartServer, store: ModelStore) -> None:
    server = start_server(ServingPolicy(max_request_seconds=2))
    server.order(store.tabular("v1", fault="slow", rounds=10**12))
    assert server.infer([(1000.0, 0.0)]).status_code == 504  # now the server knows what such a request takes
    with ThreadPoolExecutor(8) as pool:
        answers = [each.result() for each in [pool.submit(server.infer, [(1000.0, 0.0)]) for _ in range(8)]]
    assert {answer.status_code for answer in answers} == {503, 504}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "the requests before this one take about" in refused[0].json()["error"]


@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_of_thousands_of_faults_the_first_is_listed(name: str) -> None:
    given = {"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [1.0]}]} | {name: [{}] * 4000}
    with pytest.raises(RequestRefusedError) as caught:
        wire.parse(json.dumps(given).encode(), None)
    assert f"{name}.0.name" in caught.value.message
    assert f"{name}.1" not in caught.value.message
