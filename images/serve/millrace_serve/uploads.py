"""Memory limits for bodies: bytes and seconds of each request body, bytes of all bodies and large answers together."""

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


class Upload:
    """Complete request body; it and its answer count against the memory limit until ``release``."""

    def __init__(self, uploads: "Uploads", body: bytes, held_bytes: int) -> None:
        self.body = body
        self._uploads = uploads
        self._held_bytes = held_bytes

    def add(self, answer_bytes: int) -> None:
        """Count an answer of more than 64 KiB, too. Raises RequestRefusedError 503 if the memory limit is reached."""
        if answer_bytes > SMALL_ANSWER_BYTES:
            self._uploads.hold(answer_bytes)
            self._held_bytes += answer_bytes

    def release(self) -> None:
        """Stop counting the body and its answer."""
        self._uploads.hold(-self._held_bytes)
        self._held_bytes = 0


class Uploads:
    """Reads request bodies, and counts their bytes until the client has received the answer.

    If the memory limit leaves no space for another piece, the incomplete body that started first is dropped, so that
    slow clients do not block others.
    """

    def __init__(self, max_held_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_held_bytes = max_held_bytes
        self._held_bytes = 0
        self._unfinished: dict[_Body, None] = {}

    async def read(self, scope: Scope, receive: Receive, max_bytes: int, max_seconds: float) -> Upload:
        """Read the complete body; the caller must release it.

        Raises RequestRefusedError: 413 for too many bytes, 408 after ``max_seconds`` or if the body was dropped for
        another one, 503 if there is no older incomplete body to drop for this one, 400 if the client disconnected.
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
        return Upload(self, bytes(body.data), body.held_bytes)

    def hold(self, count: int) -> None:
        """Add ``count`` bytes to the total; negative ones release. Raises RequestRefusedError 503 without space."""
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
    """Return a header's value; None if it is absent."""
    return next((value for key, value in scope["headers"] if key.lower() == name), None)


def _too_large(max_bytes: int) -> RequestRefusedError:
    return RequestRefusedError(413, f"the request is larger than {max_bytes} bytes; send fewer rows at once")
