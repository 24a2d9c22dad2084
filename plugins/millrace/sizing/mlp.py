"""Multi-layer perceptrons over standardised numbers."""

from collections.abc import Sequence
from itertools import pairwise

from millrace.sizing.layers import Layer, ModelSize


def mlp_size(features: int, hidden: Sequence[int], labels: int) -> ModelSize:
    """Return the size of a perceptron with these hidden layers; weights and biases, without the standardisation.

    Training needs no gradient by the first layer's inputs: its backward pass is one product, that of the others two.
    """
    widths = list(pairwise([features, *hidden, labels]))
    layers = tuple(
        Layer(
            f"dense_{at}",
            parameters=inner * outer + outer,
            forward_flops=2.0 * inner * outer,
            backward_flops=(4.0 if at else 2.0) * inner * outer,
            matrix_values=inner + outer,
            moved_values=4.0 * outer,
            kept_values=2.0 * outer + (0 if at else 2.0 * inner),
            kernels=3,
        )
        for at, (inner, outer) in enumerate(widths)
    )
    return ModelSize(row_shares={0: 1.0}, layers={0: layers})
