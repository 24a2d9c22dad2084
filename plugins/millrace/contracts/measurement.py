"""Measured resource use of steps, and the hardware's description. Unknown is None, never 0."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self, TypeVar

from pydantic import Field, model_validator

from millrace.contracts.base import Contract

N = TypeVar("N", int, float)
EnergyMethod = Literal["nvml+rapl", "nvml", "rapl", "estimated"]
Phase = Literal["load", "train", "evaluate", "export"]


class PhaseReading(Contract):
    """One phase's part of a reading, from the same sensors."""

    phase: Phase
    wall_seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    joules: float | None = Field(default=None, ge=0)
    idle_joules: float | None = Field(default=None, ge=0)
    energy_coverage: float | None = Field(default=None, ge=0, le=1)


class MeterReading(Contract):
    """Resource use of one attempt, child processes included.

    ``energy_method`` names the sensors behind ``joules``; "estimated" means CPU time and the site's hardware entry.
    ``energy_coverage`` is the share of ``wall_seconds`` that the sensors covered. ``idle_joules`` is the part of
    ``joules`` that the reserved hardware draws when idle; neither includes the building's share (PUE).
    """

    started_at: datetime
    wall_seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    peak_gpu_memory_bytes: int | None = Field(default=None, ge=0)
    read_bytes: int | None = Field(default=None, ge=0)
    written_bytes: int | None = Field(default=None, ge=0)
    joules: float | None = Field(default=None, ge=0)
    idle_joules: float | None = Field(default=None, ge=0)
    energy_method: EnergyMethod | None = None
    energy_coverage: float | None = Field(default=None, ge=0, le=1)
    phases: tuple[PhaseReading, ...] = ()


class MeteredJoules(Contract):
    """A run's joules from meters outside its steps; None, with the ``reason``, if these covered too little.

    ``tensor_active`` and ``gpu_memory_active`` are means over its GPUs, None without one.
    """

    joules: float | None = Field(default=None, ge=0)
    coverage: float = Field(ge=0, le=1)
    meter: str | None = None
    reason: str | None = None
    tensor_active: float | None = Field(default=None, ge=0, le=1)
    gpu_memory_active: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.joules is None) != (self.reason is not None):
            raise ValueError("joules, or the reason why there are none")
        return self


def together(readings: Sequence[MeterReading]) -> MeterReading:
    """Combine the readings of processes that ran in parallel; the first one is the step's own.

    Start and wall time are the first's, memory peaks the highest, all other amounts sums: None if one part is None.
    Coverage is the mean weighted by wall time; the method is that of the least certain part.
    """
    first = readings[0]
    if len(readings) == 1:
        return first
    methods = {reading.energy_method for reading in readings}
    order: tuple[EnergyMethod | None, ...] = (None, "estimated", "rapl", "nvml", "nvml+rapl")
    coverage = _coverage([(reading.energy_coverage, reading.wall_seconds) for reading in readings])
    return first.model_copy(
        update={
            "cpu_seconds": sum(reading.cpu_seconds for reading in readings),
            "peak_memory_bytes": _highest([reading.peak_memory_bytes for reading in readings]),
            "peak_gpu_memory_bytes": _highest([reading.peak_gpu_memory_bytes for reading in readings]),
            "read_bytes": _sum([reading.read_bytes for reading in readings]),
            "written_bytes": _sum([reading.written_bytes for reading in readings]),
            "joules": _sum([reading.joules for reading in readings]),
            "idle_joules": _sum([reading.idle_joules for reading in readings]),
            "energy_method": min(methods, key=order.index),
            "energy_coverage": coverage,
            "phases": tuple(_phase([phase, *_same(phase, readings[1:])]) for phase in first.phases),
        }
    )


def _same(phase: PhaseReading, readings: Sequence[MeterReading]) -> list[PhaseReading]:
    return [each for reading in readings for each in reading.phases if each.phase == phase.phase]


def _phase(parts: Sequence[PhaseReading]) -> PhaseReading:
    return parts[0].model_copy(
        update={
            "cpu_seconds": sum(part.cpu_seconds for part in parts),
            "joules": _sum([part.joules for part in parts]),
            "idle_joules": _sum([part.idle_joules for part in parts]),
            "energy_coverage": _coverage([(part.energy_coverage, part.wall_seconds) for part in parts]),
        }
    )


def _coverage(parts: Sequence[tuple[float | None, float]]) -> float | None:
    wall = sum(seconds for _, seconds in parts)
    if not wall or any(covered is None for covered, _ in parts):
        return None
    return min(1.0, sum((covered or 0) * seconds for covered, seconds in parts) / wall)


def _highest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _sum(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if len(known) == len(values) else None


Precision = Literal["float32", "tf32", "mixed_float16", "mixed_bfloat16", "float8"]


class Gpu(Contract):
    """Data sheet of a GPU: dense peak FLOP/s by precision, bytes per second and direction, watts of the board."""

    name: str
    product: str = Field(description="as in the node label")
    memory_bytes: int = Field(gt=0)
    flops: dict[Precision, float]
    bytes_per_second: float = Field(gt=0, description="of its memory")
    link_bytes_per_second: float = Field(gt=0, description="to other GPUs of the node")
    idle_watts: float = Field(ge=0)
    peak_watts: float = Field(gt=0)
    lowest_limit_watts: float | None = Field(default=None, gt=0, description="lowest power limit that can be set")
    price_per_hour: float | None = Field(default=None, ge=0)


class Hardware(Contract):
    """One entry of the site's hardware catalogue, for the energy estimate and the plan."""

    name: str
    cores: int = Field(ge=1)
    gflops_per_core: float = Field(gt=0, description="sustained float32, not the data sheet's peak")
    idle_watts_per_core: float = Field(ge=0)
    active_watts_per_core: float = Field(gt=0, description="drawn by a busy core above idle")
    memory_bytes: int = Field(gt=0)
    gpu: str | None = Field(default=None, description="product, as in the node label")
    gpus: int = Field(default=0, ge=0, description="of that product, in one pod")
    device: Gpu | None = Field(default=None, description="the GPU's data sheet; None: sized as if there were no GPU")
    bytes_per_second: float = Field(default=9e9, gt=0, description="of the host's memory, sustained")
    network_bytes_per_second: float | None = Field(default=None, gt=0, description="to other nodes and the store")
    disk_bytes_per_second: float | None = Field(default=None, gt=0)
    price_per_hour: float | None = Field(default=None, ge=0)


class Quantity(Contract):
    """A prediction: its median (P50) and its P90."""

    p50: float = Field(ge=0)
    p90: float = Field(ge=0)
