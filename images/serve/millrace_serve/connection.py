"""Client connections: uvicorn's HTTP protocol, with limits on headers, time and the number of connections.

uvicorn has none of these limits for httptools. With h11 it limits headers, but only those that arrive in several
pieces, and it processes each chunk of a body in Python.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from millrace_serve import metrics

MAX_HEADER_BYTES = 16 * 1024
HEADER_SECONDS = 10.0
SEND_SECONDS = 30.0
MAX_CONNECTIONS = 512
MAX_CONNECTIONS_OF_A_CLIENT = 256
_HEADER_PIECE_BYTES = 8 * 1024


class Connections:
    """State shared by all connections: their number by client address, and whether the server is shutting down."""

    def __init__(self, max_body_bytes: Callable[[], int]) -> None:
        self.draining = False
        self._max_body_bytes = max_body_bytes
        self._by_client: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Count a connection; return False, and do not count it, at the limit of this client or of the server."""
        if self._by_client[client] >= MAX_CONNECTIONS_OF_A_CLIENT or self._by_client.total() >= MAX_CONNECTIONS:
            return False
        self._by_client[client] += 1
        return True

    def leave(self, client: str) -> None:
        """Remove a connection from the count."""
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def max_wire_bytes(self) -> int:
        """Return the limit for a body on the wire, in bytes: twice the body's own, for chunk sizes, and 16 KiB."""
        return 2 * self._max_body_bytes() + MAX_HEADER_BYTES

    def protocol(self, **given: Any) -> "BoundedConnection":  # noqa: ANN401 - uvicorn's own
        """Create the protocol of a connection; uvicorn calls this for each one."""
        return BoundedConnection(connections=self, **given)


class BoundedConnection(HttpToolsProtocol):  # type: ignore[misc]
    """HTTP protocol with limits: headers of 16 KiB within ten seconds, and 30 seconds for a client to take an answer.

    In a request's scope, ``state["has_gone"]()`` returns whether the client has disconnected.
    While the server drains, each response has ``Connection: close``, so that clients send their next request elsewhere.
    """

    def __init__(self, *, connections: Connections, **given: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**given)
        self._shared = connections
        self._client: str | None = None
        self._in_headers = True
        self._header_bytes = 0
        self._body_bytes = 0
        self._headers_due: asyncio.TimerHandle | None = None
        self._sent_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection, or respond with 503 and close it."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if not self._shared.enter(host):
            self._end(503, "too many connections")
            return
        self._client = host
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection and its timers; uvicorn keeps its keep-alive timer after a reset."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._headers_due, self._sent_due):
            if timer is not None:
                timer.cancel()
        if self._client is not None:
            self._shared.leave(self._client)
            self._client = None

    def data_received(self, data: bytes) -> None:
        """Parse headers in pieces of 8 KiB, so that too large ones are refused before all of them are parsed."""
        position = 0
        while position < len(data) and not self.transport.is_closing():
            end = position + _HEADER_PIECE_BYTES if self._in_headers else len(data)
            piece = data[position:end]
            position += len(piece)
            if self._in_headers:
                self._header_bytes += len(piece)
            else:
                self._body_bytes += len(piece)
            super().data_received(piece)
            if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
                self._end(431, f"a request's headers may take {MAX_HEADER_BYTES} bytes")
            elif self._body_bytes > self._shared.max_wire_bytes():
                self.transport.abort()
        self._watch_headers()

    def on_message_begin(self) -> None:
        """Handle a request's first byte: restart the count of header bytes."""
        super().on_message_begin()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """Handle complete headers: set ``has_gone`` in the scope and prepare the response's transport."""
        self._in_headers = False
        self._body_bytes = 0
        super().on_headers_complete()
        self.scope["state"]["has_gone"] = partial(getattr, self.cycle, "disconnected")
        if self.scope["method"] != "HEAD":  # its response has no body to join
            self.cycle.transport = _Joined(self.transport)
        if self._shared.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Handle a complete body: the next bytes are headers of another request."""
        super().on_message_complete()
        self._in_headers = True
        self._header_bytes = 0

    def on_response_complete(self) -> None:
        """Handle a complete response: the client of a closing connection has 30 seconds to read it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()
        else:
            self._watch_headers()

    def pause_writing(self) -> None:
        """Handle a full send buffer: abort the connection unless the client reads it within 30 seconds."""
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        """Handle a send buffer that has drained: cancel the timer of ``pause_writing``."""
        super().resume_writing()
        if self._sent_due is not None and not self.transport.is_closing():
            self._sent_due.cancel()
            self._sent_due = None

    def drain(self) -> None:
        """Close the connection after the response in progress, if there is one."""
        if self._answering():
            self.cycle.keep_alive = False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_headers(self) -> None:
        """Start the header timer if a request is due or incomplete and no response is in progress; else stop it."""
        due = not self._answering() and self.timeout_keep_alive_task is None
        if due and not self.transport.is_closing():
            if self._headers_due is None:
                self._headers_due = self.loop.call_later(HEADER_SECONDS, self._end, 408, "no whole request in time")
        elif self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _end(self, status: int, message: str) -> None:
        metrics.REFUSED.labels(str(status)).inc()
        if self._answering():  # an error response would mix with the bytes of that answer
            self.transport.abort()
            return
        content = f'{{"error":"{message}"}}'.encode()
        head = f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + content)
        self.transport.close()
        self._abort_later()

    def _abort_later(self) -> None:
        if self._sent_due is None:
            self._sent_due = self.loop.call_later(SEND_SECONDS, self.transport.abort)


class _Joined:
    """Transport of one response that sends its head together with the first body bytes, in one system call."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Buffer the head, the first write; send it with the second write, and later writes at once."""
        if self._head == b"":
            self._head = data
            return
        self._transport.write(data if self._head is None else self._head + data)
        self._head = None

    def close(self) -> None:
        """Send a buffered head, then close."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        """Return whether the transport is closed or closing."""
        return self._transport.is_closing()
