"""Secrets that are rotated while a server runs: taken without a restart, and never by halves."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from tests.images.serve.conftest import ModelStore

FIRST, SECOND = "the-first-token", "the-second-token"
# the server looks every five seconds; this machine may be busy
WITHIN_SECONDS = 60


def serial(port: int) -> int:
    """Of the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("localhost", port), timeout=30) as plain, context.wrap_socket(plain) as tls:
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number


def in_file(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes()).serial_number


def status(port: int, token: str) -> int:
    with httpx.Client(verify=False, trust_env=False, timeout=30) as client:
        headers = {"Authorization": f"Bearer {token}"}
        return client.get(f"https://localhost:{port}/v2/models/colours", headers=headers).status_code


def await_(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture
def folder(tmp_path: Path, write_secrets: Callable[[Path, str], None]) -> Path:
    write_secrets(tmp_path, FIRST)
    return tmp_path


def test_what_is_rotated_is_taken_and_halves_are_not(
    start_server: Callable[..., Any], store: ModelStore, folder: Path, write_secrets: Callable[[Path, str], None]
) -> None:
    server = start_server(secrets=folder, tls=True, token=True, wait=False)
    server.http = httpx.Client(base_url=f"https://localhost:{server.port}", verify=False, trust_env=False, timeout=60)
    server.order(store.tabular("v1"))
    before = serial(server.port)
    assert before == in_file(folder)
    assert status(server.port, FIRST) == 200

    whole = {name: (folder / name).read_bytes() for name in ("tls.crt", "tls.key", "token")}
    write_secrets(folder, SECOND)
    (folder / "tls.key").write_bytes(whole["tls.key"])
    await_(lambda: "rotated secrets are not taken" in server.log.read_text())
    assert serial(server.port) == before
    assert (status(server.port, FIRST), status(server.port, SECOND)) == (200, 401)

    write_secrets(folder, SECOND)
    await_(lambda: serial(server.port) == in_file(folder))
    assert (status(server.port, FIRST), status(server.port, SECOND)) == (401, 200)
    assert FIRST not in server.log.read_text()
    assert SECOND not in server.log.read_text()
