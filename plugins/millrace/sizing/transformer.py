"""Transformers, of a config.json or published ones: parameters, FLOPs and activations, layer by layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

from millrace.contracts.data import LengthHistogram
from millrace.contracts.errors import BadInputError
from millrace.sizing.job import Layer, ModelSize

_BERT_KEYS = {
    "vocabulary": "vocab_size",
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "positions": "max_position_embeddings",
    "segments": "type_vocab_size",
}
_GPT2_KEYS = {
    "vocabulary": "vocab_size",
    "hidden": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "positions": "n_positions",
}
_WORDS = 30_522
"""The size of BERT's uncased vocabulary."""


@dataclass(frozen=True)
class Head:
    """The layers on top of a transformer, and their outputs per row.

    "pooler": BERT's own dense layer over one token. "classifier": a dense layer from the mean of the tokens to
    ``labels``. "language_model": logits over the vocabulary, by the tied embedding, of every token (GPT) or of
    ``predictions`` masked ones, after a dense layer (BERT, whose pooler then predicts the next sentence).
    """

    kind: Literal["pooler", "classifier", "language_model"]
    labels: int = 2
    predictions: int | None = None


@dataclass(frozen=True)
class TransformerShape:
    """The configuration values of a BERT or GPT-2 that determine its size; GPT-2 has no ``segments``."""

    family: Literal["bert", "gpt2"]
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    segments: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any], family: Literal["bert", "gpt2"] = "bert") -> Self:
        """Read a ``config.json``. Raises BadInputError if it lacks a number or belongs to another family."""
        keys = _BERT_KEYS if family == "bert" else _GPT2_KEYS
        numbers = {name: config.get(key) for name, key in keys.items()}
        if family == "gpt2":
            width = numbers["hidden"]
            numbers["intermediate"] = config.get("n_inner") or (4 * width if isinstance(width, int) else None)
        bad = sorted(
            keys.get(name, "n_inner") for name, number in numbers.items() if type(number) is not int or number < 1
        )
        if config.get("model_type", family) != family or bad:
            raise BadInputError(
                f"this is no {family} configuration; wrong or missing: {bad or ['model_type']}",
                where="the base model's config.json",
                rule=f"model_type {family}, and whole numbers above 0 for {sorted(keys.values())}",
                remedy=f"bring in a base model of the {family} family, or name another trainer",
            )
        return cls(family=family, **{name: int(number) for name, number in numbers.items() if number is not None})

    def head_parameters(self, head: Head) -> int:
        """Return the parameters that the head adds to the backbone."""
        if head.kind == "classifier":
            return self.hidden * head.labels + head.labels
        if head.kind == "language_model" and self.family == "bert":
            return self.hidden**2 + self.hidden + 2 * self.hidden + self.vocabulary
        return 0

    def size(self, row_shares: Mapping[int, float], head: Head) -> ModelSize:
        """Return the size over rows padded to these lengths."""
        return ModelSize(
            row_shares=row_shares,
            layers={length: (*self._body(length), *self._top(length, head)) for length in row_shares},
        )

    def _body(self, length: int) -> tuple[Layer, ...]:
        """Return the backbone's layers for one row of ``length`` tokens.

        With N the layers' matrix parameters the FLOPs are 2·N·T + 4·L·h·T², a third of training's 6·N·T + 12·L·h·T²
        (Chowdhery et al., 2022, appendix B). Kept values are the bytes of Korthikanti et al. (2022, equation 1) in
        float16, L·T·(34·h + 5·a·T), halved, with 16 of the 34 replaced by 4·(feed-forward width).
        """
        hidden, wide, tokens = self.hidden, self.intermediate, float(length)
        scores = self.heads * tokens * tokens
        embedded = (self.vocabulary + self.positions + self.segments) * hidden + 2 * hidden
        return (
            # GPT-2's norm follows the last layer, BERT's the embeddings: the parameter count is the same
            Layer("embeddings", 1, embedded, moved_values=8 * tokens * hidden, kernels=6),
            Layer(
                "attention_projections",
                self.layers,
                4 * (hidden * hidden + hidden),
                *_products(8.0 * hidden**2 * tokens),
                matrix_values=8 * tokens * hidden,
                moved_values=15 * tokens * hidden,
                kept_values=5.5 * tokens * hidden,
                checkpoint_values=tokens * hidden,
                kernels=10,
            ),
            Layer(
                "attention_scores",
                self.layers,
                0,
                *_products(4.0 * hidden * tokens**2),
                matrix_values=4 * tokens * hidden + 2 * scores,
                # scale, mask, softmax in float32 with conversions, dropout with its written random numbers
                moved_values=16 * scores,
                kept_values=2.5 * scores,
                matrix_scores=2 * scores,
                moved_scores=16 * scores,
                kept_scores=2.5 * scores,
                kernels=7,
            ),
            Layer(
                "feed_forward",
                self.layers,
                2 * hidden * wide + wide + hidden,
                *_products(4.0 * hidden * wide * tokens),
                matrix_values=2 * tokens * (hidden + wide),
                moved_values=tokens * (4 * wide + 7 * hidden),
                kept_values=tokens * (1.5 * hidden + 2 * wide),
                kernels=6,
            ),
            Layer(
                "norms",
                2 * self.layers,
                2 * hidden,
                moved_values=4 * tokens * hidden,
                kept_values=tokens * hidden,
                kernels=2,
            ),
        )

    def _top(self, length: int, head: Head) -> tuple[Layer, ...]:
        hidden, labels = self.hidden, head.labels
        square = hidden * hidden + hidden
        pooler = Layer("pooler", 1, square, *_products(2.0 * hidden**2), matrix_values=2 * hidden, kept_values=hidden)
        idle = Layer("pooler", 1, square, kernels=0)
        if head.kind == "pooler":
            return (pooler,) if self.family == "bert" else ()
        if head.kind == "classifier":
            top = Layer(
                "head", 1, self.head_parameters(head), *_products(2.0 * hidden * labels), matrix_values=hidden + labels
            )
            return (idle, top) if self.family == "bert" else (top,)
        predicted = float(length if head.predictions is None else head.predictions)
        flops = 2.0 * predicted * hidden * self.vocabulary
        logits = predicted * self.vocabulary
        if self.family == "bert":
            flops += 2.0 * predicted * hidden**2
        top = Layer(
            "head",
            1,
            self.head_parameters(head),
            *_products(flops),
            matrix_values=predicted * hidden + logits,
            # log-softmax in float32 and its gradient
            moved_values=6 * logits,
            kept_values=3 * logits,
            kernels=8,
        )
        return (pooler, top) if self.family == "bert" else (top,)


def _products(flops: float) -> tuple[float, float]:
    """Return forward and backward FLOPs: the gradients by weights and by inputs take one product each."""
    return flops, 2 * flops


def bucket_shares(lengths: LengthHistogram | None, buckets: Sequence[int], max_length: int) -> dict[int, float]:
    """Return the share of rows padded to each bucket up to ``max_length``, which is itself a bucket.

    Rows are assumed uniform over the lengths of their bin. Without a histogram every row counts as ``max_length``, an
    upper bound.
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


def _bert(layers: int, hidden: int, heads: int) -> TransformerShape:
    return TransformerShape("bert", _WORDS, hidden, layers, heads, 4 * hidden, 512, 2)


def _gpt2(layers: int, hidden: int, heads: int) -> TransformerShape:
    return TransformerShape("gpt2", 50_257, hidden, layers, heads, 4 * hidden, 1024)


MODELS = {
    # Turc et al. (2019), table 1
    "bert-tiny": _bert(2, 128, 2),
    "bert-mini": _bert(4, 256, 4),
    "bert-small": _bert(4, 512, 8),
    "bert-medium": _bert(8, 512, 8),
    # Devlin et al. (2019)
    "bert-base": _bert(12, 768, 12),
    "bert-large": _bert(24, 1024, 16),
    # Wang et al. (2020), MiniLM: its uncased BERT distillations
    "minilm-l6": _bert(6, 384, 12),
    "minilm-l12": _bert(12, 384, 12),
    # Radford et al. (2019), table 2
    "gpt2": _gpt2(12, 768, 12),
    "gpt2-medium": _gpt2(24, 1024, 16),
    "gpt2-large": _gpt2(36, 1280, 20),
    "gpt2-xl": _gpt2(48, 1600, 25),
}


def shape(name: str) -> TransformerShape:
    """Return a model of the catalogue. Raises BadInputError for a name that it lacks."""
    try:
        return MODELS[name]
    except KeyError:
        raise BadInputError(
            f"{name!r} is not in the model catalogue",
            where="--model",
            rule=f"one of {sorted(MODELS)}",
            remedy="name one of them, or a config.json",
        ) from None
