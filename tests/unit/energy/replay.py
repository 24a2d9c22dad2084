"""Recorded energy traces, and sensors that replay them."""

import bisect
import csv
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import EnergyMethod
from millrace.energy.sensors import Sensors

_SECONDS = {"seconds": 1.0, "milliseconds": 1e-3}
_JOULES = {"joules": 1.0, "millijoules": 1e-3, "microjoules": 1e-6}
_WATTS = {"watts": 1.0, "milliwatts": 1e-3}


@dataclass(frozen=True)
class Trace:
    """A trace: for each row, seconds and joules since the first row."""

    seconds: tuple[float, ...]
    joules: tuple[float, ...]
    method: EnergyMethod | None

    def joules_at(self, seconds: float) -> float:
        """Return the joules from the first row to a time, interpolated; after the end, those of the last row."""
        after = bisect.bisect_right(self.seconds, seconds)
        if after == 0:
            return 0.0
        if after == len(self.seconds):
            return self.joules[-1]
        start, end = self.seconds[after - 1], self.seconds[after]
        share = (seconds - start) / (end - start)
        return self.joules[after - 1] + share * (self.joules[after] - self.joules[after - 1])


def read_trace(path: Path) -> Trace:
    """Read a CSV trace, whose header has the units.

    The first column is ``time_seconds`` or ``time_milliseconds``; every other is ``<sensor>_<unit>``: an energy
    counter (joules, millijoules, microjoules) or power (watts, milliwatts; integrated by the trapezoidal rule).
    Sensors named gpu… are NVML's, package… and dram… are RAPL's; with any other name, the method is None.
    Raises BadInputError for another header, a value that is no number, a time that does not increase or a counter that
    decreases.
    """
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    if len(rows) < 3:
        raise _bad(path, 1, "a header and two rows at least")
    header = rows[0]
    table = [_numbers(path, line, row, len(header)) for line, row in enumerate(rows[1:], start=2)]
    seconds = _times(path, header[0], [row[0] for row in table])
    totals = [0.0] * len(table)
    for index, name in enumerate(header[1:], start=1):
        for at, joules in enumerate(_column(path, name, seconds, [row[index] for row in table])):
            totals[at] += joules
    return Trace(tuple(seconds), tuple(totals), _method(header[1:]))


def _bad(path: Path, line: int, rule: str) -> BadInputError:
    return BadInputError(
        "the trace cannot be read", where=f"{path}, line {line}", rule=rule, remedy="record it again or correct it"
    )


def _numbers(path: Path, line: int, row: list[str], width: int) -> list[float]:
    try:
        numbers = [float(value) for value in row]
    except ValueError:
        numbers = []
    if len(numbers) != width:
        raise _bad(path, line, f"{width} numbers")
    return numbers


def _times(path: Path, name: str, values: list[float]) -> list[float]:
    scale = _SECONDS.get(name.removeprefix("time_"))
    if scale is None:
        raise _bad(path, 1, f"the first column is one of {[f'time_{unit}' for unit in _SECONDS]}")
    for line, (before, after) in enumerate(itertools.pairwise(values), start=3):
        if after <= before:
            raise _bad(path, line, "time goes on")
    return [(value - values[0]) * scale for value in values]


def _column(path: Path, name: str, seconds: list[float], values: list[float]) -> list[float]:
    unit = name.rpartition("_")[2]
    if unit in _WATTS:
        watts = [value * _WATTS[unit] for value in values]
        total, joules = 0.0, [0.0]
        for at in range(1, len(watts)):
            total += (seconds[at] - seconds[at - 1]) * (watts[at] + watts[at - 1]) / 2
            joules.append(total)
        return joules
    if unit in _JOULES:
        for line, (before, after) in enumerate(itertools.pairwise(values), start=3):
            if after < before:
                raise _bad(path, line, f"the counter {name} only grows")
        return [(value - values[0]) * _JOULES[unit] for value in values]
    raise _bad(path, 1, f"{name!r} ends in one of {[*_JOULES, *_WATTS]}")


def _method(names: list[str]) -> EnergyMethod | None:
    gpu = any(name.startswith("gpu") for name in names)
    package = any(name.startswith(("package", "dram")) for name in names)
    if not all(name.startswith(("gpu", "package", "dram")) for name in names):
        return None
    if gpu and package:
        return "nvml+rapl"
    return "nvml" if gpu else "rapl"


class ReplaySensors(Sensors):
    """Sensors that replay a recorded trace (see ``read_trace``) in real time from its first row."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._trace = read_trace(path)
        self._clock = clock
        self._started_at = clock()
        self._elapsed_seconds = 0.0

    @property
    def method(self) -> EnergyMethod | None:
        """The kinds of sensors that the trace's columns name."""
        return self._trace.method

    @property
    def seen_seconds(self) -> float:
        """Seconds until the last sample, or until the trace ends."""
        return min(self._elapsed_seconds, self._trace.seconds[-1])

    def start(self) -> None:
        """Restart at the trace's first row."""
        self._started_at, self._elapsed_seconds = self._clock(), 0.0

    def sample(self) -> None:
        """Advance to the current time."""
        self._elapsed_seconds = self._clock() - self._started_at

    def joules(self) -> float | None:
        """Joules up to the last sample, interpolated between rows."""
        return self._trace.joules_at(self.seen_seconds)

    def peak_gpu_memory_bytes(self) -> int | None:
        """Unknown: traces have no memory values."""
        return None
