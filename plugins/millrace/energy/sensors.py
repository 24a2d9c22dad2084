"""What draws power and can say so: GPUs by NVML, processor packages by RAPL, or a recorded trace of them."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from millrace.contracts.measurement import EnergyMethod
from millrace.energy.counters import EnergyCounter
from millrace.energy.trace import read_trace

log = logging.getLogger(__name__)

NVIDIA_DEVICE = Path("/dev/nvidiactl")
RAPL_FOLDER = Path("/sys/class/powercap/intel-rapl")


class Sensors(Protocol):
    """Energy since ``start``. What cannot be read is None with a reason in the log, never 0."""

    @property
    def method(self) -> EnergyMethod | None:
        """The sensors behind ``joules``; None where there are none."""

    @property
    def seen_seconds(self) -> float:
        """From the start to the last moment that every sensor behind ``joules`` saw."""

    def start(self) -> None:
        """Begin at zero."""

    def sample(self) -> None:
        """Read the counters; called at least every few seconds, so that no counter wraps unseen."""

    def joules(self) -> float | None:
        """Drawn from the start to the last sample."""

    def peak_gpu_memory_bytes(self) -> int | None:
        """The most GPU memory that this process needed, on all GPUs together."""


class NullSensors:
    """A machine without sensors."""

    method: EnergyMethod | None = None
    seen_seconds = 0.0

    def start(self) -> None:
        """Nothing to begin."""

    def sample(self) -> None:
        """Nothing to read."""

    def joules(self) -> float | None:
        """Unknown."""
        return None

    def peak_gpu_memory_bytes(self) -> int | None:
        """Unknown."""
        return None


class ZeusSensors:
    """Hardware counters, added up: those of GPUs ("nvml") and of processor packages with their memory ("rapl").

    They see the whole device and the whole host, other processes too; GPU counters alone leave the host out.
    """

    def __init__(self, gpus: Sequence[EnergyCounter], packages: Sequence[EnergyCounter]) -> None:
        self._gpus = gpus
        self._packages = packages

    def _read(self, counters: Sequence[EnergyCounter]) -> list[EnergyCounter]:
        return [counter for counter in counters if counter.joules is not None]

    @property
    def method(self) -> EnergyMethod | None:
        """Which kinds of counters could be read."""
        match bool(self._read(self._gpus)), bool(self._read(self._packages)):
            case True, True:
                return "nvml+rapl"
            case True, False:
                return "nvml"
            case False, True:
                return "rapl"
        return None

    @property
    def seen_seconds(self) -> float:
        """Until the first counter of the kinds in ``method`` went blind."""
        kinds = [counters for counters in (self._gpus, self._packages) if self._read(counters)]
        return min((counter.seen_seconds for counters in kinds for counter in counters), default=0.0)

    def start(self) -> None:
        """Begin at zero."""
        for counter in [*self._gpus, *self._packages]:
            counter.start()

    def sample(self) -> None:
        """Read every counter."""
        for counter in [*self._gpus, *self._packages]:
            counter.update()

    def joules(self) -> float | None:
        """The sum of what could be read."""
        known = [counter.joules for counter in [*self._gpus, *self._packages] if counter.joules is not None]
        return sum(known) if known else None

    def peak_gpu_memory_bytes(self) -> int | None:
        """TensorFlow's own peak where this process uses it, else None.

        Not NVML's used memory: TensorFlow takes all of the GPU at once, needed or not.
        """
        tensorflow: Any = sys.modules.get("tensorflow")
        if not self._gpus or tensorflow is None:
            return None
        try:
            devices = [device.name for device in tensorflow.config.list_logical_devices("GPU")]
            usages = [tensorflow.config.experimental.get_memory_info(name.removeprefix("/device:")) for name in devices]
            peaks = [int(usage["peak"]) for usage in usages]
        except Exception as error:  # of TensorFlow's many
            log.warning("GPU memory cannot be read: %s", error)
            return None
        return sum(peaks) if peaks else None


class ReplaySensors:
    """A recorded trace (see ``trace.read_trace``) played against the clock from its first row on."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
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
        """Until now, or until the trace ends."""
        return min(self._elapsed_seconds, self._trace.seconds[-1])

    def start(self) -> None:
        """Begin at the trace's first row."""
        self._started_at, self._elapsed_seconds = self._clock(), 0.0

    def sample(self) -> None:
        """Move on to now."""
        self._elapsed_seconds = self._clock() - self._started_at

    def joules(self) -> float | None:
        """Drawn up to the last sample, between rows by interpolation."""
        return self._trace.joules_at(self.seen_seconds)

    def peak_gpu_memory_bytes(self) -> int | None:
        """Traces hold no memory."""
        return None


def open_sensors(gpu_device: Path = NVIDIA_DEVICE, rapl_folder: Path = RAPL_FOLDER) -> Sensors:
    """This machine's sensors by ``zeus``; none, with the reason in the log, where they are absent or closed to us.

    ``zeus`` is imported only where a device is, since that takes seconds.
    """
    gpus = _tried("GPU energy (NVML)", _gpu_counters) if gpu_device.exists() else []
    packages = _tried("package energy (RAPL)", _package_counters) if rapl_folder.exists() else []
    if not gpus and not packages:
        log.info("no energy sensor can be read on this machine; joules will be estimated")
        return NullSensors()
    return ZeusSensors(gpus, packages)


def _tried(what: str, find: Callable[[], list[EnergyCounter]]) -> list[EnergyCounter]:
    try:
        return find()
    except Exception as error:  # drivers and permissions fail in many ways; none of them fails a step
        log.warning("%s is not available: %s", what, error)
        return []


def _gpu_counters() -> list[EnergyCounter]:
    """The GPUs that this process may see. A MIG slice has no counter of its own and is left out."""
    from zeus.device import get_gpus

    gpus = get_gpus()

    def reader(index: int) -> Callable[[], float]:
        return lambda: gpus.get_total_energy_consumption(index) / 1e3  # NVML counts in millijoules

    return [
        EnergyCounter(f"gpu{index}", reader(index))
        for index in range(len(gpus))
        if gpus.supports_get_total_energy_consumption(index)
    ]


def _package_counters() -> list[EnergyCounter]:
    """Packages and their memory. The zones psys, core and uncore overlap the package and are never added to it."""
    from zeus.device import get_cpus

    cpus = get_cpus()

    def daemon_reader(index: int) -> Callable[[], float]:
        def read() -> float:
            energy = cpus.get_total_energy_consumption(index)
            return float(energy.cpu_mj + (energy.dram_mj or 0.0)) / 1e3

        return read

    found: list[EnergyCounter] = []
    for index, cpu in enumerate(cpus.cpus):
        if not hasattr(cpu, "rapl_file"):  # behind zeus's daemon, which gives totals only
            found.append(EnergyCounter(f"package{index}", daemon_reader(index)))
        elif cpu.rapl_file.name.startswith("package"):
            zones = [cpu.rapl_file] if cpu.dram is None else [cpu.rapl_file, cpu.dram]
            found += [
                _zone_counter(f"{cpu.rapl_file.name}/{zone.name}", Path(zone.energy_uj_path), zone.max_energy_range_uj)
                for zone in zones
            ]
    return found


def _zone_counter(name: str, file: Path, wraps_at_microjoules: float) -> EnergyCounter:
    """Read from the zone's file: zeus's own reading starts a process for each zone to watch it wrap."""
    return EnergyCounter(name, lambda: int(file.read_text()) / 1e6, wraps_at_joules=wraps_at_microjoules / 1e6)
