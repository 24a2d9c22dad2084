"""Calibration: factors that sizing learned from ended runs."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

Predicted = Literal["seconds", "watts", "memory", "gpu_memory"]
"""Predicted quantities of the training step: wall seconds, mean watts, peak bytes on the host and on one GPU."""

Parts = dict[str, float]


class Calibration(Contract):
    """Factors for the terms of a prediction, by hardware and model family; a term without a factor is unchanged.

    ``p90`` is the P90 of outcome over prediction; ``spread`` the standard deviation of the runs' logarithms around
    the prediction. ``error_before`` and ``error_after`` are mean absolute errors on runs that neither had seen.
    """

    hardware: str
    family: str
    version: int = Field(ge=1)
    runs: int = Field(ge=1, description="number of runs that it was learned from, the oldest ones of the ledger")
    scales: dict[Predicted, Parts]
    p90: dict[Predicted, float] = Field(default_factory=dict)
    spread: dict[Predicted, float] = Field(default_factory=dict)
    error_before: dict[Predicted, float] = Field(default_factory=dict)
    error_after: dict[Predicted, float] = Field(default_factory=dict)
    drift: str | None = Field(default=None, description="why the previous calibration no longer held; None if it did")
    learned_at: datetime
