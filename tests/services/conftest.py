"""A small HTTP proxy before the real S3, which may change a request on its way and signs it anew."""

import http.client
import ipaddress
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

Headers = dict[str, str]
Change = Callable[[str, Headers], Headers]
_HOPS = {"host", "connection", "authorization", "content-length", "transfer-encoding", "expect", "accept-encoding"}
_SIGNED_BEFORE = {"x-amz-date", "x-amz-content-sha256"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    scheme = "http"

    def __init__(self, change: Change, real: str, keys: Credentials) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.change = change
        self.real = real
        self.keys = keys
        self.seen: list[tuple[str, str, Headers]] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass_on(self) -> None:
        if self.headers.get("Expect") == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, given))
        kept = {name: value for name, value in given.items() if name not in _HOPS | _SIGNED_BEFORE}
        answer, data = self._forward(self.server.change(self.command, kept), body)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(size or 0))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, headers: Headers, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        request = AWSRequest(self.command, f"{self.server.real}{self.path}", headers, body)
        S3SigV4Auth(self.server.keys, "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(self.server.real).netloc, timeout=60)
        connection.request(self.command, self.path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer, answer.read()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def s3_proxy() -> Callable[[Change], Any]:
    """Starts a proxy before the S3 of the environment, which it reaches by the environment's keys, not its client's."""
    real = os.environ.get("AWS_ENDPOINT_URL", "")
    keys = Credentials(os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", ""))

    @contextmanager
    def start(change: Change, certificate: Path | None = None) -> Iterator[_Server]:
        server = _Server(change, real, keys)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()

    return start


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, that nothing trusts by itself."""
    from cryptography import x509

    from tests.certificates import self_signed

    path = tmp_path / "certificate.pem"
    path.write_bytes(b"".join(self_signed(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))))
    return path
