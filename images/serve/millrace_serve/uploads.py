"""Bodies in memory: requests' bounded in bytes and time each, all of them and large answers together in bytes."""

import asyncio

from starlette.types import Receive, Scope

from millrace_serve.refusal import RequestRefusedError

MAX_HELD_BYTES = 64 * 1024**2
SMALL_ANSWER_BYTES = 64 * 1024


class _Body:
    def __init__(self, deadline: asyncio.Timeout) -> None:
        self.data = bytearray()
        self.held_bytes = 0
        self.deadline = deadline
        self.is_displaced = False


class Held:
    """A whole body, and the bytes that it and its answer take until ``release``."""

    def __init__(self, uploads: "Uploads", body: bytes, held_bytes: int) -> None:
        self.body = body
        self._uploads = uploads
        self._held_bytes = held_bytes

    def add(self, answer_bytes: int) -> None:
        """Hold an answer, too. Raises RequestRefusedError 503 where there is no room."""
        if answer_bytes > SMALL_ANSWER_BYTES:
            self._uploads.hold(answer_bytes)
            self._held_bytes += answer_bytes

    def release(self) -> None:
        """The answer was taken, or there is none."""
        self._uploads.hold(-self._held_bytes)
        self._held_bytes = 0


class Uploads:
    """Reads bodies, and counts their bytes until the requests are answered and the answers taken.

    Where there is no room for another piece, the unfinished body that began first is given up for it: clients that
    send slowly shut nobody out.
    """

    def __init__(self, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0
        self._unfinished: dict[_Body, None] = {}

    async def read(self, scope: Scope, receive: Receive, max_bytes: int, max_seconds: float) -> Held:
        """The whole body, to be released.

        Raises RequestRefusedError: 413 for too many bytes, 408 for too much time or for want of room, 503 where all
        room is taken by requests that are in work, 400 where the client went away.
        """
        body = _Body(asyncio.timeout(max_seconds))
        self._unfinished[body] = None
        try:
            async with body.deadline:
                await self._fill(body, scope, receive, max_bytes)
        except BaseException as error:
            self._held_bytes -= body.held_bytes
            if not isinstance(error, TimeoutError):
                raise
            if body.is_displaced:
                raise RequestRefusedError(408, "other requests needed the room; send faster, or less") from error
            raise RequestRefusedError(408, f"the request was not whole after {max_seconds:g} s") from error
        finally:
            del self._unfinished[body]
        return Held(self, bytes(body.data), body.held_bytes)

    def hold(self, count: int) -> None:
        """Count so many bytes more, or fewer. Raises RequestRefusedError 503 where there is no room."""
        self._make_room(None, count)
        self._held_bytes += count

    async def _fill(self, body: _Body, scope: Scope, receive: Receive, max_bytes: int) -> None:
        declared = header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) > max_bytes:
            raise _too_large(max_bytes)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestRefusedError(400, "the client went away before its request was whole")
            piece: bytes = message.get("body", b"")
            if len(body.data) + len(piece) > max_bytes:
                raise _too_large(max_bytes)
            self._make_room(body, len(piece))
            body.data += piece
            body.held_bytes += len(piece)
            self._held_bytes += len(piece)
            if not message.get("more_body", False):
                return

    def _make_room(self, body: _Body | None, count: int) -> None:
        while self._held_bytes + count > self._max_held_bytes:
            first = next((other for other in self._unfinished if not other.is_displaced), None)
            if first is None or first is body:
                raise RequestRefusedError(
                    503, "there is no room now; try again", {"retry-after": "1", "connection": "close"}
                )
            first.is_displaced = True
            if not first.deadline.expired():
                first.deadline.reschedule(asyncio.get_running_loop().time())
            self._held_bytes -= first.held_bytes
            first.held_bytes = 0
            first.data.clear()


def header(scope: Scope, name: bytes) -> bytes | None:
    """A header's value; None where it is absent."""
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _too_large(max_bytes: int) -> RequestRefusedError:
    return RequestRefusedError(413, f"the request is larger than {max_bytes} bytes; send fewer rows at once")
