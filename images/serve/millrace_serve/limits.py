"""What stands before kserve's application: the protocol's paths, the body's size, the number of requests."""

import asyncio
import hmac
import json
import os
import re
from collections.abc import Callable
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from millrace.contracts.workload import ServingPolicy
from millrace_serve import metrics
from millrace_serve.refusal import RequestRefusedError

MAX_IN_FLIGHT = max(64, 16 * len(os.sched_getaffinity(0)))

asked_version: ContextVar[str | None] = ContextVar("asked_version", default=None)
"""The version in the request's path, which kserve's own end points do not take."""

_VERSIONED = re.compile(r"(/v2/models/[^/]+)/versions/([^/]+)(/ready|/infer)?")
_SERVED = re.compile(r"/|/metrics|/v2|/v2/health/(?:live|ready)|/v2/models|/v2/models/[^/]+(?:/ready|/infer)?")
_JSON = b"application/json"


class Limits:
    """An ASGI application before another one.

    Only the Open Inference Protocol's paths and /metrics exist: kserve's end points for loading and unloading
    models have no authentication. An inference request is read whole, within the policy's bytes and time, before
    anything parses it; with a ``token``, only those who send it are answered about models. When as many
    as ``max_in_flight`` are in work, the next one is refused with 429 at once.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: Callable[[], ServingPolicy],
        max_in_flight: int = MAX_IN_FLIGHT,
        token: str | None = None,
    ) -> None:
        self._app = app
        self._token = token
        self._policy = policy
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with the reason why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope = _unversioned(scope)
            self._admit(scope)
            if scope["method"] == "POST" and scope["path"].endswith("/infer"):
                await self._infer(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except RequestRefusedError as error:
            await _refuse(send, error)

    def _admit(self, scope: Scope) -> None:
        """Health and metrics are for the cluster; whatever is about a model takes the token."""
        if self._token is None or not scope["path"].startswith("/v2/models"):
            return
        given = _header(scope, b"authorization") or b""
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise RequestRefusedError(401, "this endpoint takes a bearer token: Authorization: Bearer …")

    async def _infer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._in_flight >= self._max_in_flight:
            raise RequestRefusedError(429, f"{self._max_in_flight} requests are in work; try again in a second")
        self._in_flight += 1
        metrics.IN_FLIGHT.set(self._in_flight)
        try:
            policy = self._policy()
            body = await _read(scope, receive, policy.max_request_bytes, policy.max_request_seconds)
            await self._app(_as_json(scope), _replay(body, receive), send)
        finally:
            self._in_flight -= 1
            metrics.IN_FLIGHT.set(self._in_flight)


def _unversioned(scope: Scope) -> Scope:
    path = scope["path"]
    if match := _VERSIONED.fullmatch(path):
        asked_version.set(match[2])
        path = match[1] + (match[3] or "")
    if not _SERVED.fullmatch(path):
        raise RequestRefusedError(404, "no such path; this server speaks the Open Inference Protocol v2 below /v2")
    return {**scope, "path": path, "raw_path": path.encode()}


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _as_json(scope: Scope) -> Scope:
    """A body without the protocol's binary extension is JSON, whatever the client calls it (curl says a form)."""
    if _header(scope, b"inference-header-content-length") is not None:
        return scope
    headers = [(key, value) for key, value in scope["headers"] if key.lower() != b"content-type"]
    return {**scope, "headers": [*headers, (b"content-type", _JSON)]}


async def _read(scope: Scope, receive: Receive, max_bytes: int, max_seconds: float) -> bytes:
    too_large = RequestRefusedError(413, f"the request is larger than {max_bytes} bytes; send fewer rows at once")
    declared = _header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(max_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestRefusedError(400, "the client went away before its request was whole")
                body += message.get("body", b"")
                if len(body) > max_bytes:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        raise RequestRefusedError(408, f"the request was not whole after {max_seconds:g} s") from error


def _replay(body: bytes, receive: Receive) -> Receive:
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return rest.pop() if rest else await receive()

    return replay


async def _refuse(send: Send, error: RequestRefusedError) -> None:
    metrics.REFUSED.labels(str(error.status)).inc()
    content = json.dumps({"error": error.message}).encode()
    headers = [(b"content-type", _JSON), (b"content-length", str(len(content)).encode())]
    if error.status in {408, 413}:  # the rest of the body is not read: the connection cannot be used again
        headers.append((b"connection", b"close"))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
