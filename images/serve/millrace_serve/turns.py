"""Fair scheduling of a version's slots between clients and between small and large requests."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Literal

from millrace_serve.refusal import RequestRefusedError

Size = Literal["small", "large"]

SMALL_IN_A_ROW = 7
SMALL_EXPECTED_SECONDS = 1.0
_WEIGHT_OF_LATEST = 0.1


class Line:
    """Queue of waiting requests: round robin over clients, first in first out for each client."""

    def __init__(self) -> None:
        self._by_client: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, client: str) -> asyncio.Future[None]:
        """Enqueue a request; the returned future is done when it is its turn."""
        turn = asyncio.get_running_loop().create_future()
        self._by_client.setdefault(client, deque()).append(turn)
        self._length += 1
        return turn

    def call(self) -> bool:
        """Wake the next request; return False if none is waiting."""
        while self._by_client:
            client, waiting = next(iter(self._by_client.items()))
            turn = waiting.popleft()
            self._length -= 1
            if waiting:
                self._by_client.move_to_end(client)
            else:
                del self._by_client[client]
            if not turn.cancelled():
                turn.set_result(None)
                return True
        return False

    def leave(self, client: str, turn: asyncio.Future[None]) -> None:
        """Remove a waiting request."""
        waiting = self._by_client.get(client, deque())
        if turn in waiting:
            waiting.remove(turn)
            self._length -= 1
            if not waiting:
                del self._by_client[client]


class Turns:
    """Scheduler of ``slots`` concurrent pieces of work, plus ``ahead`` small ones queued for a thread. Not thread-safe.

    A large request has many pieces; a small one is a single piece and goes first, except that every eighth piece may
    be a large one's. While small requests are expected, large ones leave one slot free for the next small one and one
    for each small one in progress, because all of them share the cores. At most ``slots`` large requests are in
    progress at a time, so that the rows of the others are not in memory yet.
    """

    def __init__(self, slots: int, ahead: int = 0) -> None:
        self._slots = slots
        self._ahead = ahead
        self._lines: dict[Size, Line] = {"small": Line(), "large": Line()}
        self._held: dict[Size, int] = {"small": 0, "large": 0}
        self._small_in_a_row = 0
        self._small_seen_at_seconds = -math.inf
        self._small_called_at_seconds = -math.inf
        self._under_way_free = slots
        self._not_begun = Line()
        self._seconds: dict[Size, float] = {"small": 0.0, "large": 0.0}

    def check_time(self, size: Size, limit_seconds: float) -> None:
        """Raise RequestRefusedError 503 if the queue's expected time is longer than ``limit_seconds``."""
        ahead = max(0, sum(self._held.values()) - self._slots)
        before = (ahead + len(self._lines["small"])) * self._seconds["small"]
        if size == "large":
            before += (len(self._not_begun) + self._slots - self._under_way_free) * self._seconds["large"]
        wait_seconds = before / self._slots
        if wait_seconds > limit_seconds:
            raise RequestRefusedError(
                503,
                f"the requests before this one take about {wait_seconds:.0f} s; {limit_seconds:g} s are allowed",
                {"retry-after": str(math.ceil(wait_seconds - limit_seconds))},
            )

    def took(self, size: Size, seconds: float) -> None:
        """Update the moving average of the seconds that a request of this size takes in its slots."""
        before = self._seconds[size]
        self._seconds[size] = before + _WEIGHT_OF_LATEST * (seconds - before) if before else seconds

    async def begin_large(self, client: str) -> None:
        """Wait until another large request may start; after it returns, the caller must call ``end_large``."""
        if self._under_way_free and not len(self._not_begun):
            self._under_way_free -= 1
            return
        await self._await(self._not_begun.add(client), self._not_begun, client, self.end_large)

    def end_large(self) -> None:
        """End a large request: start the next one that waits."""
        if not self._not_begun.call():
            self._under_way_free += 1

    def saw_small(self) -> None:
        """Record a small request of a single short piece: more of them are expected for one second."""
        self._small_seen_at_seconds = asyncio.get_running_loop().time()

    def are_small_expected(self) -> bool:
        """Return whether small requests wait, or one was seen or started within the last second.

        A small piece in progress for longer does not count: it may hang.
        """
        recent_at_seconds = self._small_seen_at_seconds
        if self._held["small"]:
            recent_at_seconds = max(recent_at_seconds, self._small_called_at_seconds)
        is_recent = asyncio.get_running_loop().time() - recent_at_seconds < SMALL_EXPECTED_SECONDS
        return is_recent or len(self._lines["small"]) > 0

    async def take(self, size: Size, client: str) -> None:
        """Wait for a slot; after it returns, the caller must call ``give_back``."""
        line = self._lines[size]
        turn = line.add(client)
        self._call()
        if not turn.done():
            await self._await(turn, line, client, lambda: self.give_back(size))

    def give_back(self, size: Size) -> None:
        """Release a slot and start the next pieces."""
        self._held[size] -= 1
        self._call()

    async def _await(self, turn: asyncio.Future[None], line: Line, client: str, give_back: Callable[[], None]) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                line.leave(client, turn)
            else:  # the slot was assigned just before the cancellation
                give_back()
            raise

    def _call(self) -> None:
        while (size := self._next()) is not None:
            if not self._lines[size].call():
                continue
            self._held[size] += 1
            if size == "small":
                self._small_called_at_seconds = asyncio.get_running_loop().time()
                self._small_in_a_row += 1
            else:
                self._small_in_a_row = 0

    def _next(self) -> Size | None:
        held = sum(self._held.values())
        is_overdue = self._small_in_a_row >= SMALL_IN_A_ROW
        large = len(self._lines["large"]) > 0 and self._held["large"] < self._slots_of_large(is_overdue)
        if len(self._lines["small"]) and not (large and is_overdue):
            return "small" if held < self._slots + self._ahead else None
        return "large" if large and held < self._slots + (self._ahead if is_overdue else 0) else None

    def _slots_of_large(self, is_overdue: bool) -> int:
        if not self.are_small_expected():
            return self._slots
        return max(int(is_overdue or not self._held["small"]), self._slots - 1 - self._held["small"])
