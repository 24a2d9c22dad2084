"""Energy sensors: GPUs by NVML, processor packages by RAPL, as counters that wrap, are reset or fail."""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from millrace.contracts.measurement import EnergyMethod

log = logging.getLogger(__name__)
NVIDIA_DEVICE = Path("/dev/nvidiactl")
RAPL_FOLDER = Path("/sys/class/powercap/intel-rapl")


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


class Sensors:
    """Energy since ``start``: the sum of the counters of GPUs ("nvml") and of packages with their memory ("rapl").

    They measure the whole device and the whole host, other processes included; GPU counters alone exclude the host.
    An unreadable value is None with a reason in the log, never 0; without a counter, all values are None.
    """

    def __init__(self, gpus: Sequence[EnergyCounter] = (), packages: Sequence[EnergyCounter] = ()) -> None:
        self._gpus = gpus
        self._packages = packages

    def _read(self, counters: Sequence[EnergyCounter]) -> list[EnergyCounter]:
        return [counter for counter in counters if counter.joules is not None]

    @property
    def method(self) -> EnergyMethod | None:
        """The kinds of counters that could be read; None if there are none."""
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
        """Seconds until the first counter of the kinds in ``method`` stopped being readable."""
        kinds = [counters for counters in (self._gpus, self._packages) if self._read(counters)]
        return min((counter.seen_seconds for counters in kinds for counter in counters), default=0.0)

    def start(self) -> None:
        """Reset to zero."""
        for counter in [*self._gpus, *self._packages]:
            counter.start()

    def sample(self) -> None:
        """Read every counter; called at least every few seconds, so that no counter wraps unseen."""
        for counter in [*self._gpus, *self._packages]:
            counter.update()

    def joules(self) -> float | None:
        """Sum of the readable counters; None if there are none."""
        known = [counter.joules for counter in [*self._gpus, *self._packages] if counter.joules is not None]
        return sum(known) if known else None

    def peak_gpu_memory_bytes(self) -> int | None:
        """TensorFlow's own peak if this process uses it, else None.

        NVML's used memory is not the peak: TensorFlow allocates all of the GPU's memory at once.
        """
        tensorflow: Any = sys.modules.get("tensorflow")
        if not self._gpus or tensorflow is None:
            return None
        try:
            devices = [device.name for device in tensorflow.config.list_logical_devices("GPU")]
            usages = [tensorflow.config.experimental.get_memory_info(name.removeprefix("/device:")) for name in devices]
            peaks = [int(usage["peak"]) for usage in usages]
        except Exception as error:  # TensorFlow raises many types
            log.warning("GPU memory cannot be read: %s", error)
            return None
        return sum(peaks) if peaks else None


def open_sensors(gpu_device: Path = NVIDIA_DEVICE, rapl_folder: Path = RAPL_FOLDER) -> Sensors:
    """Return this machine's sensors by ``zeus``; none, with the reason in the log, if none is readable.

    ``zeus`` is imported only if there is a device, since the import takes seconds.
    """
    gpus = _tried("GPU energy (NVML)", _gpu_counters) if gpu_device.exists() else []
    packages = _tried("package energy (RAPL)", _package_counters) if rapl_folder.exists() else []
    if not gpus and not packages:
        log.info("no energy sensor can be read on this machine; joules will be estimated")
    return Sensors(gpus, packages)


def _tried(what: str, find: Callable[[], list[EnergyCounter]]) -> list[EnergyCounter]:
    try:
        return find()
    except Exception as error:  # drivers and permissions raise many types; none may fail a step
        log.warning("%s is not available: %s", what, error)
        return []


def _gpu_counters() -> list[EnergyCounter]:
    """Return counters of the GPUs visible to this process. A MIG slice has no counter of its own and is left out."""
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
    """Return counters of packages and their memory. Zones psys, core and uncore overlap the package: left out."""
    from zeus.device import get_cpus

    cpus = get_cpus()

    def daemon_reader(index: int) -> Callable[[], float]:
        def read() -> float:
            energy = cpus.get_total_energy_consumption(index)
            return float(energy.cpu_mj + (energy.dram_mj or 0.0)) / 1e3

        return read

    found: list[EnergyCounter] = []
    for index, cpu in enumerate(cpus.cpus):
        if not hasattr(cpu, "rapl_file"):  # read through zeus's daemon, which gives totals only
            found.append(EnergyCounter(f"package{index}", daemon_reader(index)))
        elif cpu.rapl_file.name.startswith("package"):
            zones = [cpu.rapl_file] if cpu.dram is None else [cpu.rapl_file, cpu.dram]
            found += [
                _zone_counter(f"{cpu.rapl_file.name}/{zone.name}", Path(zone.energy_uj_path), zone.max_energy_range_uj)
                for zone in zones
            ]
    return found


def _zone_counter(name: str, file: Path, wraps_at_microjoules: float) -> EnergyCounter:
    """Return a counter that reads the zone's file: zeus's own starts a process per zone to detect wraps."""
    return EnergyCounter(name, lambda: int(file.read_text()) / 1e6, wraps_at_joules=wraps_at_microjoules / 1e6)
