"""A request that is not answered, and why."""

from collections.abc import Mapping


class RequestRefusedError(Exception):
    """The client gets ``status``, ``message`` and ``headers``.

    The message says what to change, is at most a few hundred characters long and holds no value of a row.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def shown(given: object) -> str:
    """What a client chose, as a message repeats it: at most 200 characters, control characters escaped."""
    text = given.encode("unicode_escape").decode() if isinstance(given, str) else repr(given)
    return text if len(text) <= 200 else text[:200] + " …"
