"""kserve's model server with version metadata, readiness by loaded version, and a shutdown that loses no request."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
import uvloop
from fastapi import Request
from fastapi.responses import JSONResponse
from kserve import Model, ModelRepository, ModelServer
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from millrace_serve import metrics, wire
from millrace_serve.connection import BoundedConnection, Connections
from millrace_serve.limits import Limits, asked_version
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.secrets import NO_SECRETS, Secrets
from millrace_serve.switch import Switch

LINGER_SECONDS = 2.0
HANDSHAKE_SECONDS = 10.0
_APP = "kserve.model_server:app"


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


class WorkloadModel(Model):  # type: ignore[misc]
    """kserve model of the workload, for metadata and readiness only; inference goes from `Limits` to `Switch`."""

    def __init__(self, workload: str, switch: Switch) -> None:
        super().__init__(workload)
        self._switch = switch
        self.ready = True

    async def healthy(self) -> bool:
        """Return True. Raises RequestRefusedError 503 without a stable version, 404 if the path's one is not loaded."""
        self._switch.find(asked_version.get())
        return True

    def load(self) -> bool:
        """Do nothing and return True: the serving target determines which versions are loaded."""
        return self.ready

    def versions(self) -> list[str]:
        """Return the names of the loaded versions, the stable one first."""
        route = self._switch.route
        return [version.model.version for version in (route.stable, route.canary) if version is not None]

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the metadata of the request's tensors, for the version in the path or the stable one."""
        return wire.inputs(self._switch.find(asked_version.get()).scorer.manifest)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the metadata of the response's tensors, for the version in the path or the stable one."""
        return wire.outputs(self._switch.find(asked_version.get()).scorer.manifest)


class WorkloadDataPlane(DataPlane):  # type: ignore[misc]
    """kserve's data plane; ready when every registered model is ready."""

    def metadata(self) -> dict[str, Any]:
        """Return the server's name, kserve's version and the one supported protocol extension."""
        found: dict[str, Any] = super().metadata()
        return {**found, "name": "millrace", "extensions": ["binary_tensor_data"]}

    async def ready(self) -> bool:
        """Return True. Raises RequestRefusedError 503 if a registered workload has no stable version."""
        return all([await model.healthy() for model in self.model_registry.get_models().values()])

    async def model_metadata(self, name: str) -> dict[str, Any]:
        """Return name, loaded versions, platform and tensors. Raises ModelNotFound, RequestRefusedError 503 or 404."""
        found: dict[str, Any] = await super().model_metadata(name)
        versions = self.get_model_from_registry(name).versions()
        return {**found, "versions": versions, "platform": "onnxruntime_onnx"}


class WorkloadRESTServer(RESTServer):  # type: ignore[misc]
    """kserve's REST server on a listening socket; errors become short JSON responses instead of tracebacks."""

    def __init__(
        self,
        *given: Any,  # noqa: ANN401 - kserve's own
        listener: socket.socket,
        connections: Connections,
        secrets: Secrets,
        **named: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*given, **named)
        self._listener = listener
        self._secrets = secrets
        self.config.ssl_certfile, self.config.ssl_keyfile = secrets.certificate, secrets.key
        self.config.http = connections.protocol
        self.config.proxy_headers = False  # count by the peer's address; clients can forge X-Forwarded-For
        self.config.ws = "none"
        # asyncio leaks a request's context variables to the connection's next request (cpython 140947)
        self.config.reset_contextvars = True
        self._server = DrainingServer(self.config, connections)

    async def start(self) -> None:
        """Serve, and reload rotated secrets, until the server shuts down."""
        self.create_application()
        following = asyncio.create_task(self._secrets.follow(lambda: getattr(self.config, "ssl", None)))
        try:
            await self._server.serve(sockets=[self._listener])
        finally:
            following.cancel()

    def create_application(self) -> None:
        """Create kserve's application and replace its error handlers."""
        super().create_application()
        for kind, status in ((ServerNotReady, 503), (ModelNotReady, 503), (ModelNotFound, 404), (InvalidInput, 400)):
            app.add_exception_handler(kind, _answer_with(status))
        app.add_exception_handler(RequestRefusedError, _refused)
        app.add_exception_handler(HTTPException, _http)


class WorkloadServer(ModelServer):  # type: ignore[misc]
    """kserve's model server for one workload, REST only, on ``listener``; TLS and token come from ``secrets``."""

    def __init__(
        self, listener: socket.socket, workload: str, switch: Switch, grace_seconds: int, secrets: Secrets = NO_SECRETS
    ) -> None:
        super().__init__(
            http_port=listener.getsockname()[1],
            registered_models=ModelRepository(),
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=grace_seconds,
        )
        self.dataplane = WorkloadDataPlane(model_registry=self.registered_models)
        self._listener = listener
        self._connections = Connections(lambda: switch.route.policy.max_request_bytes)
        self._secrets = secrets
        self._limits = Limits(app, workload, switch, secrets=secrets)

    def start(self, models: list[Model]) -> None:
        """Serve until SIGTERM or SIGINT; then accept no more connections, finish the requests in flight and return."""
        for model in models:
            self.register_model(model)
        rest = WorkloadRESTServer(
            _APP,
            self.dataplane,
            self.model_repository_extension,
            self.http_port,
            grace_period=self.grace_period,
            listener=self._listener,
            connections=self._connections,
            secrets=self._secrets,
        )
        rest.config.app = self._limits
        self.servers.append(rest.start())
        self.register_signal_handler()
        with asyncio.Runner(loop_factory=ServingLoop) as runner:
            runner.run(self._serve())


def _answer_with(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def answer(_: Request, error: Exception) -> JSONResponse:
        return _json(status, str(error))

    return answer


async def _refused(_: Request, error: RequestRefusedError) -> JSONResponse:
    return _json(error.status, error.message, error.headers)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    return _json(error.status_code, str(error.detail), dict(error.headers or {}))


def _json(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    metrics.REFUSED.labels(str(status)).inc()
    return JSONResponse(status_code=status, content={"error": message}, headers=headers)
