"""Dense layers over standardised numbers."""

from collections.abc import Sequence
from itertools import pairwise

from millrace.sizing.model_size import ModelSize

_FLOAT_BYTES = 4


def mlp_size(features: int, hidden: Sequence[int], labels: int) -> ModelSize:
    """The size of a perceptron with these hidden layers; weights and biases, without the standardisation."""
    widths = [features, *hidden, labels]
    return ModelSize(
        parameters=sum(inner * outer + outer for inner, outer in pairwise(widths)),
        row_shares={0: 1.0},
        forward_flops={0: 2.0 * sum(inner * outer for inner, outer in pairwise(widths))},
        activation_bytes={0: 2.0 * _FLOAT_BYTES * sum(widths)},
    )
