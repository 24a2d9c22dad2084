"""A client whose secrets are not the server's any more reads them anew."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from millrace.serving import client
from millrace.serving.client import Access, InferenceClient, RequestFailedError


class _Server(ThreadingHTTPServer):
    token = "new"
    asked = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        good = self.headers["Authorization"] == f"Bearer {self.server.token}"
        body = (
            b'{"model_version": "v1", "outputs": [{"name": "probabilities", "shape": [1, 1], "data": [1.0]},'
            b' {"name": "labels", "data": ["[]"]}]}'
        )
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setattr(client, "_ROTATION_PAUSE_SECONDS", 0.01)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_rotated_token_is_read_anew(server: _Server) -> None:
    left = [Access(token="new"), Access(token="newer")]
    address = f"http://127.0.0.1:{server.server_port}"
    with InferenceClient(address, "m", access=Access(token="old"), renew=lambda: left.pop(0)) as asking:
        assert asking.infer_patiently([{"a": 1.0}]).model_version == "v1"
        server.token = "newer"
        assert asking.infer_patiently([{"a": 1.0}]).model_version == "v1"
    assert (left, server.asked) == ([], 4)


def test_secrets_that_never_fit_end_the_asking(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ROTATION_SECONDS", 0.2)
    address = f"http://127.0.0.1:{server.server_port}"
    with (
        InferenceClient(address, "m", access=Access(token="old"), renew=lambda: Access(token="other")) as asking,
        pytest.raises(RequestFailedError) as error,
    ):
        asking.infer_patiently([{"a": 1.0}])
    assert error.value.status == 401
    assert server.asked > 1


def test_without_a_way_to_renew_401_is_an_answer(server: _Server) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    with InferenceClient(address, "m", access=Access(token="old")) as asking, pytest.raises(RequestFailedError):
        asking.infer_patiently([{"a": 1.0}])
    assert server.asked == 1
