"""Progress log of a training: step, epoch, mean loss, rows per second and the remaining time."""

import logging
import math
import time
from collections.abc import Callable

log = logging.getLogger("millrace.train")

LINE_EVERY_SECONDS = 5.0


class Progress:
    """Logs a line every ``LINE_EVERY_SECONDS`` and at the last step."""

    def __init__(
        self, total_steps: int, epochs: int, batch_size: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total_steps = total_steps
        self._epochs = epochs
        self._batch_size = batch_size
        self._clock = clock
        self._started = self._line_at = clock()
        self._steps = 0
        self._losses: list[float] = []

    def step(self, step: int, epoch: int, loss: float) -> None:
        """Record a completed step: ``step`` counts from 1 over the run, ``epoch`` from 0."""
        self._steps += 1
        self._losses.append(loss)
        now = self._clock()
        if now - self._line_at < LINE_EVERY_SECONDS and step < self._total_steps:
            return
        seconds_a_step = max(now - self._started, 1e-9) / self._steps
        log.info(
            "step %d/%d, epoch %d/%d, loss %.4f, %.1f rows/s, %s left",
            step,
            self._total_steps,
            epoch + 1,
            self._epochs,
            sum(self._losses) / len(self._losses),
            self._batch_size / seconds_a_step,
            duration((self._total_steps - step) * seconds_a_step),
        )
        self._losses.clear()
        self._line_at = now


def duration(seconds: float) -> str:
    """Format seconds for a log line: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
