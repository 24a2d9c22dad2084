"""What sizing has learned from runs that ended."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

Predicted = Literal["seconds", "watts", "memory", "gpu_memory"]
"""Of the training step: wall seconds, mean watts, peak bytes on the host and on one GPU."""

Parts = dict[str, float]


class Calibration(Contract):
    """Factors of a prediction's parts for a kind of hardware and a family of models; a part without one keeps its own.

    ``p90`` is what nine runs in ten stay under, over the prediction; ``spread`` the standard deviation of the runs'
    logarithms around it. ``error_before`` and ``error_after`` are mean absolute errors on runs that neither had seen.
    """

    hardware: str
    family: str
    version: int = Field(ge=1)
    runs: int = Field(ge=1, description="that it was learned from, the oldest ones of the ledger")
    scales: dict[Predicted, Parts]
    p90: dict[Predicted, float] = Field(default_factory=dict)
    spread: dict[Predicted, float] = Field(default_factory=dict)
    error_before: dict[Predicted, float] = Field(default_factory=dict)
    error_after: dict[Predicted, float] = Field(default_factory=dict)
    drift: str | None = Field(default=None, description="why its elder no longer held; None while it did")
    learned_at: datetime
