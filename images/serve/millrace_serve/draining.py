"""Graceful shutdown of the HTTP server without lost requests."""

import asyncio
import socket
from typing import Any

import uvicorn
import uvloop

from millrace_serve.connection import BoundedConnection, Connections

LINGER_SECONDS = 2.0
HANDSHAKE_SECONDS = 10.0


class DrainingServer(uvicorn.Server):  # type: ignore[misc]
    """uvicorn server whose shutdown loses no request of a connected client.

    It replaces kserve's own, which loads a rotated certificate before its key exists and then has neither; see
    `secrets` for the reload here.

    At shutdown it takes over the connections that the kernel has accepted, and no more. Each response from then on has
    ``Connection: close``; an idle connection is closed after two seconds, not at once, because its client may be
    sending a request.
    """

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._drained = connections

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take over waiting connections, give clients two seconds to finish, then shut down as uvicorn does."""
        self._drained.draining = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, BoundedConnection):
                connection.drain()
        loop = asyncio.get_running_loop()
        rest = [connection for listener in sockets or [] for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        taken = asyncio.gather(*map(self._take, rest), return_exceptions=True)
        ends_at = loop.time() + LINGER_SECONDS
        while loop.time() < ends_at and (self.server_state.connections or not taken.done()):
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _take(self, connection: socket.socket) -> None:
        def protocol() -> BoundedConnection:
            return self._drained.protocol(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )

        timeout = HANDSHAKE_SECONDS if self.config.ssl else None
        await asyncio.get_running_loop().connect_accepted_socket(
            protocol, connection, ssl=self.config.ssl, ssl_handshake_timeout=timeout
        )


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Return the connections in the listener's backlog: closing the listener would reset them."""
    found = []
    while True:
        try:
            found.append(listener.accept()[0])
        except OSError:
            return found


class ServingLoop(uvloop.Loop):
    """uvloop's loop with a 10 s limit for TLS handshakes, because `Connections` does not count connections in one."""

    async def create_server(self, *given: Any, ssl: Any = None, **named: Any) -> Any:  # noqa: ANN401 - asyncio's own
        """Create a server as uvloop does, with the shorter handshake timeout by default."""
        if ssl is not None:
            named.setdefault("ssl_handshake_timeout", HANDSHAKE_SECONDS)
        return await super().create_server(*given, ssl=ssl, **named)
