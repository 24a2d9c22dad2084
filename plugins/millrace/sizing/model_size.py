"""What the analytic families say of a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSize:
    """A model's parameters, and its cost by padded length in tokens (0 for rows of numbers).

    ``row_shares`` is the share of rows that are padded to each length; ``forward_flops`` and ``activation_bytes`` are
    of one row: multiplications and additions of the matrices, and what training keeps for the backward pass.
    """

    parameters: int
    row_shares: dict[int, float]
    forward_flops: dict[int, float]
    activation_bytes: dict[int, float]

    @property
    def forward_flops_per_row(self) -> float:
        """The mean over the rows."""
        return sum(share * self.forward_flops[length] for length, share in self.row_shares.items())

    @property
    def tokens_per_row(self) -> float:
        """Padding included; 0 for rows of numbers."""
        return sum(share * length for length, share in self.row_shares.items())

    @property
    def largest_activation_bytes(self) -> float:
        """Of a row at the longest length in use."""
        return max(self.activation_bytes[length] for length, share in self.row_shares.items() if share)
