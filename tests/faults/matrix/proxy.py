"""A TCP proxy on the loopback address before a real S3, which misbehaves when told to."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["", "503", "slow", "reset", "short", "closed"]

_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nRetry-After: 0\r\nConnection: close\r\n\r\n"
_PIECE_BYTES = 1 << 16
_SLOW_SECONDS = 0.2
_SHORT_BYTES = 200
_IDLE_SECONDS = 120


class Proxy:
    """Passes bytes on both ways; ``fault`` is what happens to connections from now on, to ``left`` of them."""

    def __init__(self, behind: str) -> None:
        parts = urlsplit(behind)
        self._behind = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.fault: Fault = ""
        self.left = 1 << 30
        self.spoiled = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._behind, timeout=10) as server:
            client.settimeout(_IDLE_SECONDS)
            server.settimeout(_IDLE_SECONDS)
            answers = threading.Thread(target=self._answers, args=(server, client), daemon=True)
            answers.start()
            while data := client.recv(_PIECE_BYTES):
                if self.fault in ("503", "reset", "closed") and self._spoils():
                    self._refuse(client)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            answers.join(_IDLE_SECONDS)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_PIECE_BYTES):
                if self.fault == "slow":
                    time.sleep(_SLOW_SECONDS)
                    self.spoiled += 1
                elif self.fault == "short" and self._body(data) > _SHORT_BYTES and self._spoils():
                    client.sendall(data[: len(data) - self._body(data) + _SHORT_BYTES])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)

    def _refuse(self, client: socket.socket) -> None:
        if self.fault == "503":
            client.sendall(_BUSY)
            time.sleep(0.01)
        elif self.fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _spoils(self) -> bool:
        with self._lock:
            if not self.left:
                return False
            self.left -= 1
            self.spoiled += 1
            return True

    def _body(self, data: bytes) -> int:
        """The bytes of a body in what a server sent; without a head, all of it."""
        head = data.find(b"\r\n\r\n") if data.startswith(b"HTTP/") else -4
        return len(data) - head - 4


@contextlib.contextmanager
def proxied(behind: str) -> Iterator[Proxy]:
    """A proxy for the length of a block."""
    proxy = Proxy(behind)
    try:
        yield proxy
    finally:
        proxy.close()
