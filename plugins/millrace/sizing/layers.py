"""What the families say of a model, layer by layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One kind of layer, for one row at one padded length; ``copies`` of it are in the model.

    FLOPs are those of the matrix products, two a multiplication. ``matrix_values`` are the products' inputs and outputs
    without weights, ``moved_values`` what the element-wise kernels of the forward pass read and write when nothing is
    fused, ``kept_values`` what training keeps for the backward pass. Those called ``…_scores`` are the part of
    them that is attention's square matrices, which a fused attention never writes.
    ``checkpoint_values`` is what recomputing keeps in their place. ``kernels`` are launched in the forward pass.
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
        """Weights and biases, those that are not trained included."""
        return sum(layer.copies * layer.parameters for layer in next(iter(self.layers.values())))

    @property
    def forward_flops_per_row(self) -> float:
        """The mean over the rows."""
        return self._mean("forward_flops")

    @property
    def training_flops_per_row(self) -> float:
        """Forward and backward, the mean over the rows; the optimiser's are optimiser_flops."""
        return self._mean("forward_flops") + self._mean("backward_flops")

    @property
    def recomputed_flops_per_row(self) -> float:
        """What training does a second time where activations are not kept: the blocks' forward pass."""
        return self._mean("forward_flops", lambda layer: layer.copies > 1)

    @property
    def optimiser_flops(self) -> float:
        """AdamW by element: two moments (3 and 4), their corrections (2), root, division, decay and step (6)."""
        return 15.0 * self.parameters

    @property
    def tokens_per_row(self) -> float:
        """Padding included; 0 for rows of numbers."""
        return sum(share * length for length, share in self.row_shares.items())

    @property
    def longest(self) -> int:
        """The longest length in use, in tokens."""
        return max(length for length, share in self.row_shares.items() if share)

    def kept_values(self, length: int, *, fused_attention: bool = False, recompute: bool = False) -> float:
        """Activations of one row that training keeps; with ``recompute`` the forward pass is done again from the inputs
        of the blocks, as Chen et al. (2016) do.
        """
        layers = self.layers[length]
        if recompute:
            # and of one block at a time what it keeps
            return sum(layer.copies * layer.checkpoint_values + layer.kept_values for layer in layers)
        less = sum(layer.copies * layer.kept_scores for layer in layers) if fused_attention else 0.0
        return sum(layer.copies * layer.kept_values for layer in layers) - less

    def flops_by_layer(self, length: int) -> dict[str, tuple[float, float]]:
        """Forward and backward FLOPs of one row by kind of layer, summed over its copies."""
        return {
            layer.name: (layer.copies * layer.forward_flops, layer.copies * layer.backward_flops)
            for layer in self.layers[length]
        }

    def _mean(self, field: str, counted: Callable[[Layer], bool] = lambda layer: True) -> float:
        return sum(
            share * sum(layer.copies * float(getattr(layer, field)) for layer in self.layers[length] if counted(layer))
            for length, share in self.row_shares.items()
        )
