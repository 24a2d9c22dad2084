"""The meter that measures every step, and each of its phases."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

import psutil

from millrace.contracts.measurement import EnergyMethod, Hardware, MeterReading, Phase, PhaseReading
from millrace.energy.estimate import estimated_joules, idle_joules
from millrace.energy.processes import ProcessTree, Usage
from millrace.energy.sensors import Sensors, open_sensors

log = logging.getLogger(__name__)
WRITE_EVERY_SECONDS = 5.0
_SAMPLE_EVERY_SECONDS = 1.0
_NO_GAP_SECONDS = 0.05
_LAST_WRITE_SECONDS = 30.0
_running: "Meter | None" = None


@dataclass(frozen=True)
class Mark:
    """A meter's totals at one moment, since its start."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    joules: float | None = None
    seen_seconds: float = 0.0

    def since(self, start: "Mark") -> "Mark":
        """Return the use between two marks. Joules unknown at the start count as 0, since they begin at 0."""
        return Mark(
            max(0.0, self.wall_seconds - start.wall_seconds),
            max(0.0, self.cpu_seconds - start.cpu_seconds),
            None if self.joules is None else max(0.0, self.joules - (start.joules or 0.0)),
            max(0.0, self.seen_seconds - start.seen_seconds),
        )

    def plus(self, other: "Mark") -> "Mark":
        """Return the sum of both; joules are None if one of them has none."""
        return Mark(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            None if self.joules is None or other.joules is None else self.joules + other.joules,
            self.seen_seconds + other.seen_seconds,
        )


class Phases:
    """Resource use by phase. A phase lasts until the next one begins; a phase that begins again is continued."""

    def __init__(self) -> None:
        self._ended: dict[Phase, Mark] = {}
        self._open: tuple[Phase, Mark] | None = None

    def begin(self, phase: Phase, now: Mark) -> None:
        """End the current phase and begin this one."""
        self._ended = self.until(now)
        self._open = (phase, now)

    def until(self, now: Mark) -> dict[Phase, Mark]:
        """Return the use of each phase so far, in the order in which they began."""
        found = dict(self._ended)
        if self._open is not None:
            phase, start = self._open
            used = now.since(start)
            found[phase] = found[phase].plus(used) if phase in found else used
        return found


def begin_phase(phase: Phase) -> None:
    """Call ``begin_phase`` of this process's running meter; without one, do nothing."""
    if _running is not None:
        _running.begin_phase(phase)


class Meter:
    """Measures this process and its children from ``__enter__`` to ``__exit__``.

    ``on_reading`` gets a reading every five seconds and at the end, so that a killed step leaves one. Joules are from
    ``sensors`` if there are any; otherwise they are estimated from CPU time and ``hardware``, ``energy_method`` is
    "estimated" and the coverage 0. No failure in the meter (of a sensor, of a process that ends while it is sampled,
    of ``on_reading``) fails the step. Phases from ``begin_phase`` are sampled at their boundaries and reported
    separately.
    """

    def __init__(
        self,
        hardware: Hardware,
        on_reading: Callable[[MeterReading], None] | None = None,
        sensors: Sensors | None = None,
        write_every_seconds: float = WRITE_EVERY_SECONDS,
    ) -> None:
        self._hardware = hardware
        self._on_reading = on_reading
        self._sensors = sensors or open_sensors()
        self._write_every_seconds = write_every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._lock = threading.Lock()
        self._tree = ProcessTree()
        self._last = Usage(0.0, None, None)
        self._final: MeterReading | None = None
        self._phases = Phases()

    def __enter__(self) -> Self:
        global _running
        self._started_at = datetime.now(UTC)
        self._start_seconds = time.monotonic()
        self._sensors.start()
        self._sample()
        self._start = self._last
        self._thread.start()
        _running = self
        return self

    def __exit__(self, *_: object) -> None:
        global _running
        _running = None
        self._stop.set()
        self._final = self._measure(at_end=True)
        # A store that hangs must not block the step; the report has the final reading in any case.
        self._thread.join(timeout=_LAST_WRITE_SECONDS)
        self._emit()

    def reading(self) -> MeterReading:
        """Return the reading so far; after ``__exit__``, the final one."""
        return self._final or self._measure()

    def begin_phase(self, phase: Phase) -> None:
        """Begin a phase, which lasts until the next one or the end; resource use in that time is attributed to it."""
        with self._lock:
            self._sample()
            self._phases.begin(phase, self._mark())

    def _mark(self) -> Mark:
        return Mark(
            time.monotonic() - self._start_seconds,
            max(0.0, self._last.cpu_seconds - self._start.cpu_seconds),
            self._sensors.joules(),
            self._sensors.seen_seconds,
        )

    def _measure(self, at_end: bool = False) -> MeterReading:
        with self._lock:
            self._sample()
            used, start, now = self._last, self._start, self._mark()
            joules, idle, method, coverage = self._energy(now)
            return MeterReading(
                started_at=self._started_at,
                wall_seconds=now.wall_seconds,
                cpu_seconds=now.cpu_seconds,
                peak_memory_bytes=self._tree.peak_memory_bytes or None,
                peak_gpu_memory_bytes=self._sensors.peak_gpu_memory_bytes() if at_end else None,
                read_bytes=_grown(start.read_bytes, used.read_bytes),
                written_bytes=_grown(start.written_bytes, used.written_bytes),
                joules=joules,
                idle_joules=idle,
                energy_method=method,
                energy_coverage=coverage,
                phases=tuple(self._of_phase(phase, used) for phase, used in self._phases.until(now).items()),
            )

    def _of_phase(self, phase: Phase, used: Mark) -> PhaseReading:
        joules, idle, _, coverage = self._energy(used)
        return PhaseReading(
            phase=phase,
            wall_seconds=used.wall_seconds,
            cpu_seconds=used.cpu_seconds,
            joules=joules,
            idle_joules=idle,
            energy_coverage=coverage,
        )

    def _energy(self, used: Mark) -> tuple[float, float | None, EnergyMethod, float]:
        method: EnergyMethod | None = self._sensors.method
        wall_seconds, joules, coverage = used.wall_seconds, used.joules, 0.0
        if joules is None or method is None:
            method, joules = "estimated", estimated_joules(self._hardware, wall_seconds, used.cpu_seconds)
        else:
            # Between the last counter reading and the wall time is a short delay, which is not a gap.
            gap_seconds = wall_seconds - used.seen_seconds
            covered = gap_seconds < _NO_GAP_SECONDS or wall_seconds <= 0
            coverage = 1.0 if covered else max(0.0, 1 - gap_seconds / wall_seconds)
        return joules, idle_joules(self._hardware, wall_seconds, method, joules), method, coverage

    def _sample(self) -> None:
        try:
            self._sensors.sample()
            self._last = self._tree.sample()
        except (psutil.Error, OSError) as error:
            log.warning("a sample of the meter failed: %s", error)

    def _watch(self) -> None:
        written_at = time.monotonic()
        while not self._stop.wait(_SAMPLE_EVERY_SECONDS):
            if time.monotonic() - written_at >= self._write_every_seconds:
                self._emit()
                written_at = time.monotonic()
            else:
                with self._lock:
                    self._sample()

    def _emit(self) -> None:
        if self._on_reading is None:
            return
        try:
            self._on_reading(self.reading())
        except Exception:  # no error of the store's client may stop the step
            log.warning("the meter's reading was not kept", exc_info=True)


def _grown(start: int | None, now: int | None) -> int | None:
    return None if start is None or now is None else max(0, now - start)
