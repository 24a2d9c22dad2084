"""Model of a GPU's power and speed under a power limit.

A GPU holds a limit by lowering its clock: computation slows, time that waits for memory or the host does not. Its power
is idle power, a part proportional to the clock, and a part that grows with work and steeply with the clock, because the
highest clocks need a higher voltage.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOWEST_CLOCK = 0.08
_HALVINGS = 30


@dataclass(frozen=True)
class PowerCurve:
    """Power as shares of the GPU's peak watts: idle, proportional to the clock, and for work at full clock.

    ``held`` is the share of a power limit that the GPU draws under it.
    """

    idle: float
    clock: float
    work: float
    exponent: float
    held: float

    def share(self, clock: float, busy: float) -> float:
        """Return the share of peak watts at a share of the full clock, with the device busy for the share ``busy``."""
        return float(self.idle + self.clock * clock + self.work * busy * clock**self.exponent)


# Between the fits to Zeus's traces of an A40 and a V100 (You et al., NSDI 2023).
TYPICAL = PowerCurve(idle=0.19, clock=0.48, work=0.21, exponent=10.0, held=0.965)


@dataclass(frozen=True)
class Pace:
    """A model's speed on a device.

    ``row_seconds`` is the time of a row in large batches, ``step_rows`` the host's time per step in rows, ``growth``
    the growth of a row's time with the batch (padding to its longest row), ``memory_share`` the share independent of
    the clock.
    """

    row_seconds: float
    step_rows: float
    growth: float
    memory_share: float

    def device_rows(self, batch: float, clock: float) -> float:
        """Return the device's time of a row, in units of ``row_seconds``."""
        share = self.memory_share + (1 - self.memory_share) / clock
        return float((batch / 32) ** self.growth) * share

    def rows(self, batch: float, clock: float) -> float:
        """Return a row's total time in units of ``row_seconds``; device and host work overlap."""
        return math.hypot(self.step_rows / batch, self.device_rows(batch, clock))


@dataclass(frozen=True)
class Limited:
    """A model on a device whose power can be limited."""

    curve: PowerCurve
    pace: Pace
    peak_watts: float

    def under(self, batch: float, limit_watts: float) -> tuple[float, float]:
        """Return seconds per row and mean watts of the device under a limit."""
        highest = self.curve.held * limit_watts / self.peak_watts
        clock = 1.0
        if self._share(batch, clock) > highest:
            low, clock = _LOWEST_CLOCK, 1.0
            for _ in range(_HALVINGS):
                middle = (low + clock) / 2
                low, clock = (low, middle) if self._share(batch, middle) > highest else (middle, clock)
            clock = low
        return self.pace.row_seconds * self.pace.rows(batch, clock), self.peak_watts * self._share(batch, clock)

    def choose_limit(self, batch: float, limits: Sequence[float], most_slowdown: float) -> float:
        """Return the limit with the least energy among those that slow the batch by at most ``most_slowdown``."""
        at = {limit: self.under(batch, limit) for limit in limits}
        fastest = at[max(limits)][0]
        kept = [limit for limit in limits if at[limit][0] <= fastest * (1 + most_slowdown)]
        return min(kept, key=lambda limit: at[limit][0] * at[limit][1])

    def _share(self, batch: float, clock: float) -> float:
        busy = self.pace.device_rows(batch, clock) / self.pace.rows(batch, clock)
        return self.curve.share(clock, min(1.0, busy))
