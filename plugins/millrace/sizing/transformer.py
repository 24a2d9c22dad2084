"""BERT's family: parameters, FLOPs and memory from a Hugging Face ``config.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from millrace.contracts.data import LengthHistogram
from millrace.contracts.errors import BadInputError
from millrace.sizing.model_size import ModelSize

_KEYS = {
    "vocabulary": "vocab_size",
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "positions": "max_position_embeddings",
    "segments": "type_vocab_size",
}


@dataclass(frozen=True)
class BertShape:
    """The numbers of a BERT encoder that its size follows from."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    segments: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a ``config.json``. Raises BadInputError for one that lacks a number or is of another family."""
        numbers = {name: config.get(key) for name, key in _KEYS.items()}
        bad = sorted(_KEYS[name] for name, number in numbers.items() if type(number) is not int or number < 1)
        if config.get("model_type", "bert") != "bert" or bad:
            raise BadInputError(
                f"this is no BERT configuration; wrong or missing: {bad or ['model_type']}",
                where="the base model's config.json",
                rule=f"model_type bert, and whole numbers above 0 for {sorted(_KEYS.values())}",
                remedy="bring in a BERT-family base model, or name another trainer",
            )
        return cls(**{name: int(number) for name, number in numbers.items() if number is not None})

    def backbone_parameters(self) -> int:
        """Exact, pooler included: embeddings, layers and pooler, as Devlin et al. (2019) define them."""
        hidden, intermediate = self.hidden, self.intermediate
        norm = 2 * hidden
        embeddings = (self.vocabulary + self.positions + self.segments) * hidden + norm
        attention = 4 * (hidden * hidden + hidden) + norm
        feed_forward = hidden * intermediate + intermediate + intermediate * hidden + hidden + norm
        pooler = hidden * hidden + hidden
        return embeddings + self.layers * (attention + feed_forward) + pooler

    def head_parameters(self, labels: int) -> int:
        """One dense layer from the mean of the tokens to the labels."""
        return self.hidden * labels + labels

    def forward_flops_by_layer(self, length: int, labels: int) -> dict[str, float]:
        """Of one row padded to ``length`` tokens, two a multiplication, each kind summed over the layers.

        With N the layers' matrix parameters this is 2·N·T + 4·L·h·T², a third of training's 6·N·T + 12·L·h·T²
        (Chowdhery et al., 2022, appendix B). The pooler is not run in training.
        """
        return {
            "attention_projections": 8.0 * self.layers * self.hidden**2 * length,
            "attention_scores": 4.0 * self.layers * self.hidden * length**2,
            "feed_forward": 4.0 * self.layers * self.hidden * self.intermediate * length,
            "head": 2.0 * self.hidden * labels,
        }

    def activation_bytes(self, length: int) -> float:
        """What training keeps of one row in float32: twice the bytes that Korthikanti et al. (2022, equation 1) count
        in float16, L·T·(34·h + 5·a·T), with 16 of the 34 written as 4·(the feed-forward width).
        """
        dense = 18.0 * self.hidden + 4.0 * self.intermediate
        return 2.0 * self.layers * length * (dense + 5.0 * self.heads * length)

    def size(self, row_shares: dict[int, float], labels: int) -> ModelSize:
        """The size with a head for ``labels``, over rows padded to these lengths."""
        return ModelSize(
            parameters=self.backbone_parameters() + self.head_parameters(labels),
            row_shares=row_shares,
            forward_flops={length: sum(self.forward_flops_by_layer(length, labels).values()) for length in row_shares},
            activation_bytes={length: self.activation_bytes(length) for length in row_shares},
        )


def bucket_shares(lengths: LengthHistogram | None, buckets: Sequence[int], max_length: int) -> dict[int, float]:
    """The share of rows that are padded to each bucket at or below ``max_length``, itself a bucket.

    Rows are spread evenly over the lengths of their bin. Without a histogram every row is taken to be of
    ``max_length``, which is never too little.
    """
    edges = [*sorted(bucket for bucket in set(buckets) if bucket < max_length), max_length]
    total = sum(lengths.counts) if lengths else 0
    if lengths is None or not total:
        return {max_length: 1.0}
    shares = dict.fromkeys(edges, 0.0)
    for lower, upper, count in zip((0, *lengths.upper), lengths.upper, lengths.counts, strict=False):
        for shorter, edge in pairwise((0, *edges)):
            within = min(upper, edge) - max(lower, shorter)
            shares[edge] += max(0, within) / (upper - lower) * count / total
        shares[max_length] += max(0, upper - max(lower, max_length)) / (upper - lower) * count / total
    return {edge: share for edge, share in shares.items() if share}
