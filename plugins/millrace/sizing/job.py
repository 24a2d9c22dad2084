"""A run's work, independent of hardware: the model's size, layer by layer, and the rows."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from millrace.contracts.measurement import Precision


@dataclass(frozen=True)
class Layer:
    """One kind of layer, for one row at one padded length; the model has ``copies`` of it.

    FLOPs are those of the matrix products, two per multiply-add. ``matrix_values`` are the products' inputs and outputs
    without weights, ``moved_values`` the values that the element-wise kernels of the forward pass read and write
    without fusion, ``kept_values`` those that training keeps for the backward pass. ``…_scores`` are the part of each
    that is attention's square matrices, which fused attention never writes. ``checkpoint_values`` replace
    ``kept_values`` if activations are recomputed. ``kernels`` is the number of launches in the forward pass.
    """

    name: str
    copies: int = 1
    parameters: int = 0
    forward_flops: float = 0.0
    backward_flops: float = 0.0
    matrix_values: float = 0.0
    moved_values: float = 0.0
    kept_values: float = 0.0
    matrix_scores: float = 0.0
    moved_scores: float = 0.0
    kept_scores: float = 0.0
    checkpoint_values: float = 0.0
    kernels: int = 1


@dataclass(frozen=True)
class ModelSize:
    """A model's layers by padded length in tokens (0 for rows of numbers), and the share of rows at each length."""

    row_shares: Mapping[int, float]
    layers: Mapping[int, tuple[Layer, ...]]

    @property
    def parameters(self) -> int:
        """Weights and biases, including those that are not trained."""
        return sum(layer.copies * layer.parameters for layer in next(iter(self.layers.values())))

    @property
    def forward_flops_per_row(self) -> float:
        """FLOPs of the forward pass, mean over the rows."""
        return self._mean("forward_flops")

    @property
    def training_flops_per_row(self) -> float:
        """FLOPs of forward and backward pass, mean over the rows, without those of the optimiser (optimiser_flops)."""
        return self._mean("forward_flops") + self._mean("backward_flops")

    @property
    def recomputed_flops_per_row(self) -> float:
        """FLOPs that training repeats if activations are not kept: the blocks' forward pass."""
        return self._mean("forward_flops", lambda layer: layer.copies > 1)

    @property
    def optimiser_flops(self) -> float:
        """FLOPs of an AdamW step.

        Per parameter: two moments (3 and 4), their corrections (2), root, division, decay and step (6).
        """
        return 15.0 * self.parameters

    @property
    def tokens_per_row(self) -> float:
        """Tokens per row including padding; 0 for rows of numbers."""
        return sum(share * length for length, share in self.row_shares.items())

    @property
    def longest(self) -> int:
        """The longest length in use, in tokens."""
        return max(length for length, share in self.row_shares.items() if share)

    def kept_values(self, length: int, *, fused_attention: bool = False, recompute: bool = False) -> float:
        """Return the activations of one row that training keeps.

        With ``recompute`` the backward pass repeats the forward pass from the inputs of the blocks (Chen et al., 2016).
        """
        layers = self.layers[length]
        if recompute:
            # plus the kept values of the one block that is being recomputed
            return sum(layer.copies * layer.checkpoint_values + layer.kept_values for layer in layers)
        less = sum(layer.copies * layer.kept_scores for layer in layers) if fused_attention else 0.0
        return sum(layer.copies * layer.kept_values for layer in layers) - less

    def flops_by_layer(self, length: int) -> dict[str, tuple[float, float]]:
        """Return forward and backward FLOPs of one row by kind of layer, summed over its copies."""
        return {
            layer.name: (layer.copies * layer.forward_flops, layer.copies * layer.backward_flops)
            for layer in self.layers[length]
        }

    def _mean(self, field: str, counted: Callable[[Layer], bool] = lambda layer: True) -> float:
        return sum(
            share * sum(layer.copies * float(getattr(layer, field)) for layer in self.layers[length] if counted(layer))
            for length, share in self.row_shares.items()
        )


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
