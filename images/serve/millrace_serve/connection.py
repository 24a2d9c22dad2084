"""A client's connection: uvicorn's HTTP protocol, with bounds on headers, time and the number of connections.

uvicorn bounds none of these for httptools. With h11 it bounds headers, but only those that come in several pieces, and
Python looks at each chunk of a body.
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
    """How many connections each client (by its address) has, and whether the server is about to end."""

    def __init__(self, max_body_bytes: Callable[[], int]) -> None:
        self.draining = False
        self._max_body_bytes = max_body_bytes
        self._by_client: Counter[str] = Counter()

    def enter(self, client: str) -> bool:
        """Count a connection; False where there are too many, of this client or in all."""
        if self._by_client[client] >= MAX_CONNECTIONS_OF_A_CLIENT or self._by_client.total() >= MAX_CONNECTIONS:
            return False
        self._by_client[client] += 1
        return True

    def leave(self, client: str) -> None:
        """A counted connection has ended."""
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def max_wire_bytes(self) -> int:
        """What a body may take on the wire: its bytes, and as much again for the sizes of its chunks."""
        return 2 * self._max_body_bytes() + MAX_HEADER_BYTES

    def protocol(self, **given: Any) -> "BoundedConnection":  # noqa: ANN401 - uvicorn's own
        """What uvicorn calls for each connection."""
        return BoundedConnection(connections=self, **given)


class BoundedConnection(HttpToolsProtocol):  # type: ignore[misc]
    """Headers of at most 16 kB within ten seconds of their first byte, and answers that are taken within thirty.

    A request's scope says by ``state["has_gone"]()`` whether its client still waits for the answer.
    While the server drains, each answer says ``Connection: close``, so that the client's next request goes elsewhere.
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
        """Count the connection, or say 503 and close it."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if not self._shared.enter(host):
            self._end(503, "too many connections")
            return
        self._client = host
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; uvicorn leaves a timer behind where it was reset."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._headers_due, self._sent_due):
            if timer is not None:
                timer.cancel()
        if self._client is not None:
            self._shared.leave(self._client)
            self._client = None

    def data_received(self, data: bytes) -> None:
        """Parse headers a few kB at a time, so that they are refused before they are all parsed."""
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
        """A request's first byte."""
        super().on_message_begin()
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        """The request can be routed; its body follows."""
        self._in_headers = False
        self._body_bytes = 0
        super().on_headers_complete()
        self.scope["state"]["has_gone"] = partial(getattr, self.cycle, "disconnected")
        if self.scope["method"] != "HEAD":  # whose answer is a head alone
            self.cycle.transport = _Joined(self.transport)
        if self._shared.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The body is whole; what follows are another request's headers."""
        super().on_message_complete()
        self._in_headers = True
        self._header_bytes = 0

    def on_response_complete(self) -> None:
        """The answer is written; a connection that closes has a while to take it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_later()
        else:
            self._watch_headers()

    def pause_writing(self) -> None:
        """The client does not take its answer as fast as it is made."""
        super().pause_writing()
        self._abort_later()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        super().resume_writing()
        if self._sent_due is not None and not self.transport.is_closing():
            self._sent_due.cancel()
            self._sent_due = None

    def drain(self) -> None:
        """Say with the answer that is under way that it is the last one here."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch_headers(self) -> None:
        """A connection is new, or in the middle of what nobody works on yet or any more: the rest is due."""
        due = not self._answering() and self.timeout_keep_alive_task is None
        if due and not self.transport.is_closing():
            if self._headers_due is None:
                self._headers_due = self.loop.call_later(HEADER_SECONDS, self._end, 408, "no whole request in time")
        elif self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def _end(self, status: int, message: str) -> None:
        metrics.REFUSED.labels(str(status)).inc()
        if self._answering():  # another answer's bytes are on their way: nothing can be said
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
    """An answer's transport: its head leaves with the first bytes behind it, in one system call and one packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Keep the head, send the rest."""
        if self._head == b"":
            self._head = data
            return
        self._transport.write(data if self._head is None else self._head + data)
        self._head = None

    def close(self) -> None:
        """Close once all is sent."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()
