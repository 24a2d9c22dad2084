"""How many requests may be in work at once, in all and for one client."""

import os
from collections import Counter

from millrace_serve import metrics
from millrace_serve.refusal import RequestRefusedError

MAX_IN_FLIGHT = 2 * max(64, 16 * len(os.sched_getaffinity(0)))


class Admission:
    """Counts the requests in work: those whose body is whole and whose answer is not.

    A client may hold as many places as it leaves free: one alone gets half of them, and however many clients there
    are, the next one finds a place.
    """

    def __init__(self, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._by_client: Counter[str] = Counter()
        metrics.IN_FLIGHT.set_function(lambda: self._in_flight)

    def enter(self, client: str) -> None:
        """Take a place; ``leave`` follows. Raises RequestRefusedError 429 where the client may have no more."""
        own = self._by_client[client]
        if own >= self._max_in_flight - self._in_flight:
            raise RequestRefusedError(429, f"{own} requests are in work; try again in a second", {"retry-after": "1"})
        self._by_client[client] = own + 1
        self._in_flight += 1

    def leave(self, client: str) -> None:
        """Give the place back."""
        self._in_flight -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]
