"""Energy counters: they only grow, until they wrap or break."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class EnergyCounter:
    """Joules since ``start`` from one hardware counter.

    ``read`` gives the counter in joules. A counter that wraps does so at ``wraps_at_joules`` and must be updated
    at least once a turn (a RAPL package wraps after minutes at full power). One that goes back without wrapping was
    reset by its driver: what it had counted is kept and nothing is added any more, so that coverage shows the loss.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], float],
        wraps_at_joules: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._read = read
        self._wraps_at_joules = wraps_at_joules
        self._clock = clock
        self._last_joules: float | None = None
        self._joules = 0.0
        self._started_at = 0.0
        self._seen_at: float | None = None
        self._warned = False

    def start(self) -> None:
        """Begin at zero, at the counter's value of now; a counter that cannot be read now is not used at all."""
        self._joules, self._seen_at = 0.0, None
        self._started_at = self._clock()
        self._last_joules = self._value()

    def update(self) -> None:
        """Add what was drawn since the last update; a reading that fails is logged once and adds nothing."""
        if self._last_joules is None or (now_joules := self._value()) is None:
            return
        drawn_joules = now_joules - self._last_joules
        if drawn_joules < 0 and self._wraps_at_joules is not None:
            drawn_joules += self._wraps_at_joules
        if drawn_joules < 0:
            self._warn(f"went back from {self._last_joules} to {now_joules} J")
            self._last_joules = None
            return
        self._joules += drawn_joules
        self._last_joules, self._seen_at = now_joules, self._clock()

    def _value(self) -> float | None:
        try:
            return self._read()
        except Exception as error:  # a sensor's driver may raise anything, and a meter never fails a step
            self._warn(f"cannot be read: {error}")
            return None

    def _warn(self, reason: str) -> None:
        if not self._warned:
            log.warning("energy counter %s %s", self.name, reason)
        self._warned = True

    @property
    def joules(self) -> float | None:
        """Drawn since the start, up to the last good reading; None where there was none after the start."""
        return None if self._seen_at is None else self._joules

    @property
    def seen_seconds(self) -> float:
        """From the start to the last good reading."""
        return 0.0 if self._seen_at is None else self._seen_at - self._started_at
