"""kserve's model server, with versions, honest readiness and errors that say what to change."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve import InferRequest, InferResponse, Model, ModelRepository, ModelServer
from kserve.errors import InferenceError, InvalidInput, ModelNotFound, ModelNotReady, ServerNotReady
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from millrace_serve import metrics, wire
from millrace_serve.limits import Limits, asked_version
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.secrets import NO_SECRETS, Secrets
from millrace_serve.switch import Switch

_APP = "kserve.model_server:app"
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error, InferenceError, InvalidInput)


class WorkloadModel(Model):  # type: ignore[misc]
    """A workload under its name; which version answers is the switch's to say."""

    def __init__(self, workload: str, switch: Switch) -> None:
        super().__init__(workload)
        self._switch = switch
        self.ready = True

    async def healthy(self) -> bool:
        """True; raises RequestRefusedError 503 without a stable version, 404 where the path names one not loaded."""
        self._switch.find(asked_version.get())
        return True

    def load(self) -> bool:
        """Nothing: the target says what is loaded."""
        return self.ready

    async def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:
        """Labels and probabilities from the version whose turn it is, or from the one in the path."""
        return await self._switch.answer(payload, asked_version.get())

    def versions(self) -> list[str]:
        """The names of the loaded versions, the stable one first."""
        route = self._switch.route
        return [version.model.version for version in (route.stable, route.canary) if version is not None]

    def get_input_types(self) -> list[dict[str, Any]]:
        """The request's tensors."""
        return wire.inputs(self._switch.find(asked_version.get()).scorer.manifest)

    def get_output_types(self) -> list[dict[str, Any]]:
        """The response's tensors."""
        return wire.outputs(self._switch.find(asked_version.get()).scorer.manifest)


class WorkloadDataPlane(DataPlane):  # type: ignore[misc]
    """kserve's data plane; ready when every model is, and a request that cannot be decoded is the client's mistake."""

    async def ready(self) -> bool:
        """Whether each registered workload has a stable version."""
        return all([await model.healthy() for model in self.model_registry.get_models().values()])

    async def model_metadata(self, name: str) -> dict[str, Any]:
        """Name, loaded versions, platform and tensors. Raises ModelNotFound, or RequestRefusedError 503 and 404."""
        found: dict[str, Any] = await super().model_metadata(name)
        versions = self.get_model_from_registry(name).versions()
        return {**found, "versions": versions, "platform": "onnxruntime_onnx"}

    def decode(
        self, body: object, headers: dict[str, str], protocol_version: str = "v2", model_name: str | None = None
    ) -> tuple[InferRequest, dict[str, Any]]:
        """kserve's decoding. Raises RequestRefusedError 400 for a body that is no inference request."""
        try:
            decoded: tuple[InferRequest, dict[str, Any]] = super().decode(body, headers, protocol_version, model_name)
            return decoded
        except _MALFORMED as error:
            raise RequestRefusedError(
                400, f"no inference request of the Open Inference Protocol v2: {type(error).__name__}"
            ) from error


class WorkloadRESTServer(RESTServer):  # type: ignore[misc]
    """kserve's REST server on one address; its errors become short JSON answers instead of tracebacks in the log."""

    def create_application(self) -> None:
        """kserve's application, our errors in place of its own."""
        super().create_application()
        for kind, status in ((ServerNotReady, 503), (ModelNotReady, 503), (ModelNotFound, 404), (InvalidInput, 400)):
            app.add_exception_handler(kind, _answer_with(status))
        app.add_exception_handler(RequestRefusedError, _refused)
        app.add_exception_handler(RequestValidationError, _not_the_protocol)
        app.add_exception_handler(HTTPException, _http)


class WorkloadServer(ModelServer):  # type: ignore[misc]
    """kserve's model server for one workload, REST only, on ``host``; with TLS and a bearer token where given."""

    def __init__(self, host: str, port: int, switch: Switch, grace_seconds: int, secrets: Secrets = NO_SECRETS) -> None:
        super().__init__(
            http_port=port,
            registered_models=ModelRepository(),
            enable_grpc=False,
            enable_latency_logging=False,
            grace_period=grace_seconds,
        )
        self.dataplane = WorkloadDataPlane(model_registry=self.registered_models)
        self._host = host
        self._secrets = secrets
        app.add_middleware(Limits, policy=lambda: switch.route.policy, token=secrets.token)

    def start(self, models: list[Model]) -> None:
        """Serve until SIGTERM or SIGINT; then take no more connections, end what is under way, return."""
        for model in models:
            self.register_model(model)
        rest = WorkloadRESTServer(
            _APP, self.dataplane, self.model_repository_extension, self.http_port, grace_period=self.grace_period
        )
        rest.config.host = self._host
        rest.config.ssl_certfile, rest.config.ssl_keyfile = self._secrets.certificate, self._secrets.key
        self.servers.append(rest.start())
        self.register_signal_handler()
        asyncio.run(self._serve())


def _answer_with(status: int) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def answer(_: Request, error: Exception) -> JSONResponse:
        return _json(status, str(error))

    return answer


async def _refused(_: Request, error: RequestRefusedError) -> JSONResponse:
    return _json(error.status, error.message)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    return _json(error.status_code, str(error.detail))


async def _not_the_protocol(_: Request, error: RequestValidationError) -> JSONResponse:
    """Where the body departs from the protocol; FastAPI's own answer would repeat its values."""
    places = [".".join(str(part) for part in each["loc"]) + ": " + each["msg"] for each in error.errors()[:3]]
    return _json(400, "no inference request of the Open Inference Protocol v2: " + "; ".join(places))


def _json(status: int, message: str) -> JSONResponse:
    metrics.REFUSED.labels(str(status)).inc()
    return JSONResponse(status_code=status, content={"error": message})
