"""Limits on bytes, rows, time and requests; malformed input; starting and stopping."""

import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from millrace.contracts.workload import ServingPolicy
from tests.images.serve.conftest import ModelStore, Server, StartServer

INFER = "/v2/models/colours/infer"


@pytest.fixture(scope="module")
def server(start_server: StartServer, store: ModelStore) -> Any:
    server = start_server(ServingPolicy(max_request_bytes=4096, max_rows=4, max_request_seconds=2))
    assert server.order(store.tabular("v1", fault="slow", rounds=10**12)).state == "ready"
    return server


def tensor(name: str, data: Any, datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [1], "data": data}


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([tensor("a", [1.0])], "['b'] are missing"),
        ([tensor("a", [1.0]), tensor("b", [1.0]), tensor("c", [1.0])], "['c'] are unknown"),
        ([tensor("a", [1.0]), tensor("a", [1.0])], "occurs twice"),
        ([tensor("a", [1.0]), tensor("b", [1.0, 2.0], shape=[2])], "differ in their number of rows"),
        ([tensor("a", [1.0, 2.0]), tensor("b", [1.0])], "2 values; shape [1] means 1"),
        ([tensor("a", ["x"]), tensor("b", [1.0])], "'a', value 0: str; FP64 is expected"),
        ([tensor("a", [1.5], "INT64"), tensor("b", [1.0])], "'a', value 0: float; INT64 is expected"),
        ([tensor("a", [True]), tensor("b", [1.0])], "bool; FP64 is expected"),
        ([tensor("a", ["1"], "BYTES"), tensor("b", [1.0])], "str where a number belongs (feature 'a', row 0"),
        ([tensor("a", [1e300]), tensor("b", [1.0])], "beyond float32"),
        ([tensor("a", [None]), tensor("b", [1.0])], "NoneType; FP64 is expected"),
        ([tensor("a", [], shape=[0]), tensor("b", [], shape=[0])], "at least one row"),
        ([tensor("a", [1.0], shape=[-1]), tensor("b", [1.0])], "at least one row"),
        ([tensor("a", [1.0], "COLOUR"), tensor("b", [1.0])], "COLOUR is expected"),
        ([tensor("features", [1.0, 2.0, 3.0], shape=[1, 3])], "[rows, 2] is expected"),
        ([tensor("a", [[[1.0]]]), tensor("b", [1.0])], "list; FP64 is expected"),
        ("nonsense", "inputs"),
        ([{"name": "a"}], "Field required"),
    ],
)
def test_malformed_requests_are_400_and_say_what_is_wrong(server: Server, inputs: Any, says: str) -> None:
    response = server.http.post(INFER, json={"inputs": inputs})
    assert response.status_code == 400, response.text
    assert says in response.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 3000, b'{"inputs": []}', b"null", b'{"a": 1}'])
def test_bodies_that_are_no_request_are_400(server: Server, body: bytes) -> None:
    response = server.http.post(INFER, content=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("x", b"{}"),
        ("-5", b'{"inputs": []}'),
        ("2", b"{}"),
        ("90", b'{"inputs":[{"name":"a","datatype":"FP64","shape":[9],"parameters":{"binary_data_size":8}}]}'),
        ("90", b'{"inputs":[{"name":"a","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":4}}]}\xff'),
    ],
)
def test_broken_binary_requests_are_400(server: Server, header: str, body: bytes) -> None:
    headers = {"inference-header-content-length": header, "content-type": "application/octet-stream"}
    response = server.http.post(INFER, content=body, headers=headers)
    assert response.status_code == 400, response.text


def test_nan_is_refused_by_row_and_feature(server: Server) -> None:
    body = '{"inputs":[{"name":"a","datatype":"FP64","shape":[2],"data":[1,NaN]},' \
           '{"name":"b","datatype":"FP64","shape":[2],"data":[1,2]}]}'  # fmt: skip
    response = server.http.post(INFER, content=body)
    assert response.status_code == 400
    assert "feature 'a', row 1" in response.json()["error"]


def test_too_many_rows_are_413(server: Server) -> None:
    assert server.infer([(0.0, 0.0)] * 4).status_code == 200
    response = server.infer([(0.0, 0.0)] * 5)
    assert response.status_code == 413
    assert "at most 4" in response.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_too_many_bytes_are_413_before_they_are_parsed(server: Server, chunked: bool) -> None:
    body = b"x" * 5000  # no JSON: parsing it would be a 400
    pieces = (body[start : start + 500] for start in range(0, 5000, 500))
    response = server.http.post(INFER, content=pieces if chunked else body)
    assert response.status_code == 413
    assert "4096 bytes" in response.json()["error"]


def test_a_declared_length_is_refused_before_a_byte_of_the_body_is_sent(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_hanging_requests_are_504_and_leave_no_thread_behind(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:  # more than the version has slots
        hanging = [pool.submit(server.infer, [(1000.0, 0.0)]) for _ in range(8)]
        assert {each.result().status_code for each in hanging} == {504}
    assert server.infer([(1.0, 0.0)]).status_code == 200
    assert server.metric('millrace_requests_total{outcome="timeout"') >= 1


def test_a_body_that_never_ends_is_408(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_requests_beyond_the_queue_are_429_at_once_and_none_is_lost(
    start_server: StartServer, store: ModelStore
) -> None:
    server = start_server(ServingPolicy(max_request_seconds=300))
    server.order(store.tabular("v1", fault="slow", rounds=50 * store.tenth))
    content = json.dumps({"inputs": [tensor("a", [1.0]), tensor("b", [0.0])]}).encode()
    request = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads) as pool:
        slow = [pool.submit(server.infer_alone, (1000.0, 0.0)) for _ in range(threads)]
        server.wait_in_flight(threads)
        waiting = [socket.create_connection(("127.0.0.1", server.port), timeout=120) for _ in range(64 - threads)]
        for connection in waiting:  # all of them are as many as one client may have in work
            connection.sendall(request)
        server.wait_in_flight(64)
        refused = server.infer([(1.0, 0.0)])
    assert {each.result().status_code for each in slow} == {200}
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    for connection in waiting:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        connection.close()
    assert server.infer([(1.0, 0.0)]).status_code == 200
    assert server.metric("millrace_requests_in_flight") == 0


def test_without_a_target_the_server_is_live_but_not_ready(start_server: StartServer, store: ModelStore) -> None:
    server = start_server()
    assert server.http.get("/v2/health/ready").status_code == 503
    assert server.http.get("/v2/models/colours/ready").status_code == 503
    assert server.infer([(1.0, 0.0)]).status_code == 503
    status = server.server_files.wait_for(lambda status: True, "a status", 30)
    assert (status.generation, status.state, status.stable, status.pid) == (0, "loading", None, server.process.pid)
    server.order(store.tabular("v1"))
    assert server.http.get("/v2/health/ready").json() == {"ready": True}
    assert server.http.get("/v2/models/colours/ready").status_code == 200
    assert server.infer([(1.0, 0.0)]).status_code == 200


def test_metrics_are_by_version(server: Server) -> None:
    labels = '{outcome="ok",version="v1",workload="colours"}'
    before = server.metric(f"millrace_requests_total{labels}")
    refused = server.metric('millrace_refused_requests_total{status="400"}')
    server.infer([(1.0, 0.0)])
    server.http.post(INFER, content=b"{")
    assert server.metric(f"millrace_requests_total{labels}") == before + 1
    assert server.metric('millrace_request_seconds_count{version="v1",workload="colours"}') == before + 1
    assert server.metric('millrace_refused_requests_total{status="400"}') == refused + 1
    assert server.metric('millrace_version_loaded{version="v1",workload="colours"}') == 1
    assert 'millrace_reverts_total{workload="colours"} 0.0' in server.http.get("/metrics").text.splitlines()


def test_a_versions_series_begin_at_nothing_and_not_with_its_first_request(
    start_server: StartServer, store: ModelStore
) -> None:
    server = start_server()
    server.order(store.tabular("v1"))
    lines = server.http.get("/metrics").text.splitlines()
    for outcome in ("ok", "error", "timeout"):
        assert f'millrace_requests_total{{outcome="{outcome}",version="v1",workload="colours"}} 0.0' in lines
    assert 'millrace_request_seconds_bucket{le="+Inf",version="v1",workload="colours"} 0.0' in lines


def test_a_taken_port_is_a_clear_error(server: Server, start_server: StartServer) -> None:
    second = start_server(port=server.port, wait=False)
    assert second.process.wait(timeout=60) == 20
    assert f"127.0.0.1:{server.port}" in second.log.read_text()
    assert "another port" in second.log.read_text()
    assert server.infer([(1.0, 0.0)]).status_code == 200


def test_sigterm_answers_what_is_under_way_and_exits_0(start_server: StartServer, store: ModelStore) -> None:
    server = start_server()
    server.order(store.tabular("v1", fault="slow", rounds=15 * store.tenth))
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(server.infer([(1000.0, 0.0)])))
    asking.start()
    server.wait_in_flight(1)
    server.process.send_signal(signal.SIGTERM)
    asking.join(timeout=60)
    assert [answer.status_code for answer in answers] == [200]
    assert server.process.wait(timeout=60) == 0
    assert json.loads(answers[0].content)["model_version"] == "v1"
    with pytest.raises(httpx.ConnectError):
        server.http.get("/v2/health/live")
