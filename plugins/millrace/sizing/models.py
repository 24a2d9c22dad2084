"""The model catalogue: published sizes of models, available without a ``config.json``."""

from millrace.contracts.errors import BadInputError
from millrace.sizing.transformer import TransformerShape

_WORDS = 30_522
"""The size of BERT's uncased vocabulary."""


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
