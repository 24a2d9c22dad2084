"""What sizing decided, before anything was trained."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Sha256
from millrace.contracts.calibration import Parts, Predicted
from millrace.contracts.data import DatasetVersion
from millrace.contracts.measurement import Hardware, Quantity


class PlannedStart(Contract):
    """When training begins that may wait for cleaner or cheaper hours, and what that saves as predicted."""

    at: datetime
    deadline: datetime
    prefer: Literal["carbon", "money"]
    saves_share: float = Field(ge=0, description="of the run's gCO2e, or money for energy, had it begun at once")
    saves: float | None = Field(default=None, ge=0, description="grams, or the plan's currency; None without a PUE")
    rates: str = Field(description="whose word on the hours it was, and why not the forecast's")
    reason: str


class Plan(Contract):
    """Predictions for one run; ``sha256`` is of the document without it, so nobody predicts afterwards."""

    schema_version: Literal[1] = 1
    made_at: datetime
    dataset: DatasetVersion = Field(description="what was sized, and so what is trained on")
    model_parameters: int = Field(ge=0)
    forward_flops_per_row: float = Field(ge=0)
    training_flops: float = Field(ge=0)
    train_rows: int = Field(ge=0)
    tokens_per_epoch: int | None = Field(default=None, ge=0)
    seconds_by_step: dict[str, Quantity]
    seconds: Quantity
    machine_seconds: Quantity | None = Field(default=None, description="over all workers; priced by the hour")
    peak_memory_bytes: Quantity
    peak_gpu_memory_bytes: Quantity | None = None
    joules: Quantity
    train_watts: Quantity | None = Field(default=None, description="mean of the training step, of all workers")
    cost: Quantity | None = None
    currency: str | None = None
    gco2e: Quantity | None = None
    hardware: Hardware
    site: str = "local"
    cluster: str | None = Field(default=None, description="kubeconfig context; None without a cluster")
    start: PlannedStart | None = Field(default=None, description="None: training begins as soon as it is sized")
    bottleneck: Literal["compute", "memory_bandwidth", "launch", "input", "network", "disk"]
    memory_by_part: dict[str, float] = Field(default_factory=dict, description="peak_memory_bytes.p50, taken apart")
    gpu_memory_by_part: dict[str, float] = Field(default_factory=dict, description="of one GPU")
    joules_by_part: dict[str, float] = Field(default_factory=dict, description="joules.p50: idle, active, host, GPU")
    facility_joules: Quantity | None = Field(default=None, description="with the building's share, PUE")
    network_bytes_per_second: float | None = Field(default=None, ge=0)
    disk_bytes_per_second: float | None = Field(default=None, ge=0)
    storage_bytes: float | None = Field(default=None, ge=0)
    power_limit_watts: float | None = Field(default=None, gt=0, description="least energy at 3 % slow-down, predicted")
    unfit: tuple[str, ...] = Field(default=(), description="what the hardware does not hold")
    family: str | None = Field(default=None, description="the trainer's name")
    parts: dict[Predicted, Parts] = Field(default_factory=dict, description="the priors' word on the training step")
    calibration: int | None = Field(default=None, description="version of what was learned; None for the priors")
    sha256: Sha256
