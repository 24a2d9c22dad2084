"""Error for a request that the server refuses or cannot answer."""

from collections.abc import Mapping


class RequestRefusedError(Exception):
    """HTTP error response with ``status``, ``message`` and ``headers``.

    The message states what to change, has at most a few hundred characters and contains no value of a row.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def shown(given: object) -> str:
    """Return a value from a client for use in a message: at most 200 characters, control characters escaped."""
    text = given.encode("unicode_escape").decode() if isinstance(given, str) else repr(given)
    return text if len(text) <= 200 else text[:200] + " …"
