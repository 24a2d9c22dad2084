"""ASGI layer before kserve's application: allowed paths and methods, the bearer token, requests in flight."""

import hmac
import json
import logging
import os
import re
from collections import Counter
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace_serve import metrics
from millrace_serve.refusal import RequestRefusedError, shown
from millrace_serve.scoring import Ask
from millrace_serve.secrets import NO_SECRETS, Secrets
from millrace_serve.switch import Switch
from millrace_serve.uploads import Uploads, header

MAX_IN_FLIGHT = 2 * max(64, 16 * len(os.sched_getaffinity(0)))
log = logging.getLogger("millrace")
asked_version: ContextVar[str | None] = ContextVar("asked_version", default=None)
"""Version in the path of the current request, for kserve's endpoints, which take none; set while they respond."""
_MODEL = re.compile(r"(/v2/models/([^/]+))(?:/versions/([^/]+))?(/ready|/infer)?")
_OTHERS = frozenset({"/", "/metrics", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models"})
_PIECE_BYTES = 64 * 1024
_READING, _INFERRING = ("GET", "HEAD"), ("POST",)
_UNREAD = frozenset({401, 404, 405, 408, 413, 415})


class Admission:
    """Counter of the requests in flight: those with a complete body and no complete answer yet.

    A client may hold at most as many places as are free: a single client gets half of them, and a further client
    always finds a place.
    """

    def __init__(self, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._by_client: Counter[str] = Counter()
        metrics.IN_FLIGHT.set_function(lambda: self._in_flight)

    def enter(self, client: str) -> None:
        """Take a place, to release with ``leave``. Raises RequestRefusedError 429 if the client has its maximum."""
        own = self._by_client[client]
        if own >= self._max_in_flight - self._in_flight:
            raise RequestRefusedError(429, f"{own} requests are in work; try again in a second", {"retry-after": "1"})
        self._by_client[client] = own + 1
        self._in_flight += 1

    def leave(self, client: str) -> None:
        """Release a place of ``client``."""
        self._in_flight -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]


class Limits:
    """ASGI application that filters requests before another one.

    It admits only the Open Inference Protocol's paths and /metrics, because kserve's endpoints for loading and
    unloading models have no authentication. With a token among ``secrets``, paths of models require it. The body of
    an inference request is read completely, within the policy's bytes and seconds, before the request takes one of
    ``max_in_flight`` places and is parsed; `Switch` answers it, which keeps kserve's and FastAPI's work out of the
    event loop.
    """

    def __init__(
        self,
        app: ASGIApp,
        workload: str,
        switch: Switch,
        max_in_flight: int = MAX_IN_FLIGHT,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self._app = app
        self._workload = workload
        self._switch = switch
        self._secrets = secrets
        self._uploads = Uploads()
        self._admission = Admission(max_in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an inference request, pass another one to the application, or respond with an error."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            path, version = self._admit(scope)
            if path.endswith("/infer"):
                await self._infer(scope, receive, send, version)
            else:
                await self._pass_on(scope, receive, send, path, version)
        except RequestRefusedError as error:
            await _refuse(scope, send, error)
        except Exception as error:  # its text may contain a row's value: log the type only
            log.error("a request failed with %s", type(error).__name__)
            await _refuse(scope, send, RequestRefusedError(500, f"the server failed with {type(error).__name__}"))

    def _admit(self, scope: Scope) -> tuple[str, str | None]:
        """Return the path without a version, and the version.

        Raises RequestRefusedError: 404 for an unknown path or model, 401 without the token, 405 for a wrong method.
        """
        path = scope["path"]
        match = _MODEL.fullmatch(path)
        if match is None and path not in _OTHERS:
            raise RequestRefusedError(404, "no such path; this server speaks the Open Inference Protocol v2 below /v2")
        # the cluster reads health and metrics without the token; paths of models require it
        token = self._secrets.token
        if token is not None and path.startswith("/v2/models"):
            given = header(scope, b"authorization") or b""
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                raise RequestRefusedError(
                    401, "this endpoint takes a bearer token: Authorization: Bearer …", {"www-authenticate": "Bearer"}
                )
        methods = _INFERRING if match is not None and match[4] == "/infer" else _READING
        if scope["method"] not in methods:
            allowed = ", ".join(methods)
            raise RequestRefusedError(405, f"this path takes {allowed}", {"allow": allowed})
        if match is None:
            return path, None
        if match[2] != self._workload:
            raise RequestRefusedError(404, f"there is no model {shown(match[2])}; this server has {self._workload!r}")
        return match[1] + (match[4] or ""), match[3]

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, path: str, version: str | None) -> None:
        """Pass the request to kserve as GET, the only method it supports; uvicorn drops the body for HEAD."""
        asked = asked_version.set(version)
        try:
            await self._app({**scope, "method": "GET", "path": path, "raw_path": path.encode()}, receive, send)
        finally:
            asked_version.reset(asked)

    async def _infer(self, scope: Scope, receive: Receive, send: Send, version: str | None) -> None:
        coding = (header(scope, b"content-encoding") or b"identity").strip().lower()
        if coding != b"identity":
            raise RequestRefusedError(
                415, "a request's body is taken as it is, without Content-Encoding", {"accept-encoding": "identity"}
            )
        policy = self._switch.route.policy
        client = scope["client"][0] if scope.get("client") else ""
        json_bytes = header(scope, b"inference-header-content-length")
        held = await self._uploads.read(scope, receive, policy.max_request_bytes, policy.max_request_seconds)
        try:
            self._admission.enter(client)
            try:
                json_size = None if json_bytes is None else json_bytes.decode("latin-1")
                ask = Ask(held.body, json_size, client, scope["state"]["has_gone"])
                answer = await self._switch.answer(ask, version)
            finally:
                self._admission.leave(client)
            held.add(len(answer.body))
            await send({"type": "http.response.start", "status": 200, "headers": answer.headers()})
            for start in range(0, len(answer.body), _PIECE_BYTES):  # send waits until the client has read enough
                end = start + _PIECE_BYTES
                more = end < len(answer.body)
                await send({"type": "http.response.body", "body": answer.body[start:end], "more_body": more})
        finally:
            held.release()


async def _refuse(scope: Scope, send: Send, error: RequestRefusedError) -> None:
    metrics.REFUSED.labels(str(error.status)).inc()
    content = json.dumps({"error": error.message}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        *((name.encode(), value.encode()) for name, value in error.headers.items()),
    ]
    if error.status in _UNREAD and _has_body(scope):  # the unread body makes the connection unusable
        headers.append((b"connection", b"close"))
    start: Message = {"type": "http.response.start", "status": error.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})


def _has_body(scope: Scope) -> bool:
    length = header(scope, b"content-length")
    return header(scope, b"transfer-encoding") is not None or (length is not None and length != b"0")
