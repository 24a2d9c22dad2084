"""A run's work, independent of hardware."""

import math
from dataclasses import dataclass

from millrace.contracts.measurement import Precision
from millrace.sizing.layers import ModelSize


@dataclass(frozen=True)
class Job:
    """A run's work. Rows are after the run's cap; ``bytes`` is all its data, ``batch_rows`` is over all devices."""

    size: ModelSize
    train_rows: int
    validation_rows: int
    test_rows: int
    bytes: int
    epochs: int
    batch_rows: int
    workers: int = 1
    accumulation: int = 1
    precision: Precision = "float32"
    fused_attention: bool = False
    recompute: bool = False
    watch_seconds: float = 0.0

    @property
    def steps(self) -> int:
        """The number of optimiser steps of the whole training."""
        return math.ceil(self.train_rows / self.batch_rows) * self.epochs

    @property
    def training_flops(self) -> float:
        """FLOPs of the matrix products, forward and backward, of the whole training."""
        again = self.size.recomputed_flops_per_row if self.recompute else 0.0
        return (self.size.training_flops_per_row + again) * self.train_rows * self.epochs

    @property
    def text(self) -> bool:
        """Whether rows are tokens, not numbers."""
        return self.size.tokens_per_row > 0
