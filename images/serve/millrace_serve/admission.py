"""Limits on the number of inference requests in flight, in total and for each client."""

import os
from collections import Counter

from millrace_serve import metrics
from millrace_serve.refusal import RequestRefusedError

MAX_IN_FLIGHT = 2 * max(64, 16 * len(os.sched_getaffinity(0)))


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
