"""Energy counters, which grow until they wrap, are reset or fail."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)


class EnergyCounter:
    """Joules since ``start`` from one hardware counter.

    ``read`` returns the counter in joules. A counter that wraps does so at ``wraps_at_joules`` and must be updated
    at least once per wrap (a RAPL package wraps after minutes at full power). One that decreases without wrapping was
    reset by its driver: its joules are kept and none are added, so that the coverage shows the loss.
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
        """Reset to zero at the counter's current value; a counter that cannot be read now is not used at all."""
        self._joules, self._seen_at = 0.0, None
        self._started_at = self._clock()
        self._last_joules = self._value()

    def update(self) -> None:
        """Add the joules since the last update; a failed reading is logged once and adds nothing."""
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
        except Exception as error:  # a sensor's driver may raise any type, and a meter never fails a step
            self._warn(f"cannot be read: {error}")
            return None

    def _warn(self, reason: str) -> None:
        if not self._warned:
            log.warning("energy counter %s %s", self.name, reason)
        self._warned = True

    @property
    def joules(self) -> float | None:
        """Joules from the start to the last successful reading; None if there was none after the start."""
        return None if self._seen_at is None else self._joules

    @property
    def seen_seconds(self) -> float:
        """Seconds from the start to the last successful reading."""
        return 0.0 if self._seen_at is None else self._seen_at - self._started_at
