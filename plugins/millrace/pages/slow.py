"""Limit and cache slow responses, so that one user's page does not slow down other users' pages."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Generic, TypeVar

from fastapi import HTTPException

_RETRY_AFTER_SECONDS = 5
Answer = TypeVar("Answer")


class FewAtOnce:
    """Limit of concurrent computations in this API server process; further requests get HTTP 503 with Retry-After."""

    def __init__(self, most: int, what: str) -> None:
        self._places = BoundedSemaphore(most)
        self._refusal = f"{most} {what} are being worked out already. Try again in a few seconds"

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places. Raises HTTPException 503 at once if none is free: waiting would block a thread."""
        if not self._places.acquire(blocking=False):
            raise HTTPException(503, self._refusal, headers={"Retry-After": f"{_RETRY_AFTER_SECONDS}"})
        try:
            yield
        finally:
            self._places.release()


class Kept(Generic[Answer]):
    """Cache of the newest ``most`` answers, each for ``seconds``."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._answers: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the cached answer for this key, or make and cache a new one; errors are not cached."""
        with self._lock:
            made_at, answer = self._answers.get(key, (None, None))
            if made_at is not None and self._clock() - made_at < self._seconds:
                return answer  # type: ignore[return-value]
        new = make()
        with self._lock:
            self._answers[key] = (self._clock(), new)
            self._answers.move_to_end(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return new
