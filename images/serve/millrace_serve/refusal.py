"""A request that is not answered, and why."""


class RequestRefusedError(Exception):
    """The client gets ``status`` and ``message``; the message says what to change and holds no value of a row."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
