"""What a step used. Unknown is None, never 0."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

EnergyMethod = Literal["nvml+rapl", "nvml", "rapl", "estimated"]


class MeterReading(Contract):
    """One try's use of the machine, its children included.

    ``energy_method`` names the sensors behind ``joules``; "estimated" means CPU time and the site's hardware entry.
    ``energy_coverage`` is the share of ``wall_seconds`` that the sensors saw.
    """

    started_at: datetime
    wall_seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    peak_gpu_memory_bytes: int | None = Field(default=None, ge=0)
    read_bytes: int | None = Field(default=None, ge=0)
    written_bytes: int | None = Field(default=None, ge=0)
    joules: float | None = Field(default=None, ge=0)
    energy_method: EnergyMethod | None = None
    energy_coverage: float | None = Field(default=None, ge=0, le=1)


class Hardware(Contract):
    """One entry of the site's catalogue, as the estimate and the analytic plan use it."""

    name: str
    cores: int = Field(ge=1)
    gflops_per_core: float = Field(gt=0, description="sustained float32, not the data sheet's peak")
    idle_watts_per_core: float = Field(ge=0)
    active_watts_per_core: float = Field(gt=0, description="drawn by a busy core above idle")
    memory_bytes: int = Field(gt=0)
    gpu: str | None = Field(default=None, description="product, as the node label for it says")
    gpus: int = Field(default=0, ge=0, description="of that product, in one pod")
    price_per_hour: float | None = Field(default=None, ge=0)


class Quantity(Contract):
    """A prediction: its median and the value that nine runs in ten stay under."""

    p50: float = Field(ge=0)
    p90: float = Field(ge=0)
