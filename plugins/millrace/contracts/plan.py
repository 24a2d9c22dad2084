"""Plans: the predictions of sizing, made before training."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Sha256
from millrace.contracts.calibration import Parts, Predicted
from millrace.contracts.data import DatasetVersion
from millrace.contracts.measurement import Hardware, Quantity


class PlannedStart(Contract):
    """Start of a training that may wait for cleaner or cheaper hours, and the predicted saving."""

    at: datetime
    deadline: datetime
    prefer: Literal["carbon", "money"]
    saves_share: float = Field(ge=0, description="of the run's gCO2e, or energy cost, of an immediate start")
    saves: float | None = Field(default=None, ge=0, description="grams, or the plan's currency; None without a PUE")
    rates: str = Field(description="source of the hourly rates, and why not the forecast")
    reason: str


class Plan(Contract):
    """Predictions for one run; ``sha256`` is the digest of the document without it, so later changes are detected."""

    schema_version: Literal[1] = 1
    made_at: datetime
    dataset: DatasetVersion = Field(description="version that was sized and that training reads")
    model_parameters: int = Field(ge=0)
    forward_flops_per_row: float = Field(ge=0)
    training_flops: float = Field(ge=0)
    train_rows: int = Field(ge=0)
    tokens_per_epoch: int | None = Field(default=None, ge=0)
    seconds_by_step: dict[str, Quantity]
    seconds: Quantity
    machine_seconds: Quantity | None = Field(default=None, description="summed over all workers; priced by the hour")
    peak_memory_bytes: Quantity
    peak_gpu_memory_bytes: Quantity | None = None
    joules: Quantity
    train_watts: Quantity | None = Field(default=None, description="mean of the training step, all workers together")
    cost: Quantity | None = None
    currency: str | None = None
    gco2e: Quantity | None = None
    hardware: Hardware
    site: str = "local"
    cluster: str | None = Field(default=None, description="kubeconfig context; None without a cluster")
    start: PlannedStart | None = Field(default=None, description="None: training starts as soon as it is sized")
    bottleneck: Literal["compute", "memory_bandwidth", "launch", "input", "network", "disk"]
    memory_by_part: dict[str, float] = Field(default_factory=dict, description="terms of peak_memory_bytes.p50")
    gpu_memory_by_part: dict[str, float] = Field(default_factory=dict, description="the same, of one GPU")
    joules_by_part: dict[str, float] = Field(
        default_factory=dict, description="terms of joules.p50: idle, active, host, GPU"
    )
    facility_joules: Quantity | None = Field(default=None, description="with the building's share (PUE)")
    network_bytes_per_second: float | None = Field(default=None, ge=0)
    disk_bytes_per_second: float | None = Field(default=None, ge=0)
    storage_bytes: float | None = Field(default=None, ge=0)
    power_limit_watts: float | None = Field(default=None, gt=0, description="predicted: least energy at 3 % slow-down")
    unfit: tuple[str, ...] = Field(default=(), description="what does not fit the hardware")
    family: str | None = Field(default=None, description="the trainer's name")
    parts: dict[Predicted, Parts] = Field(default_factory=dict, description="terms of the training step by the priors")
    calibration: int | None = Field(default=None, description="version of the calibration; None for the priors")
    sha256: Sha256
