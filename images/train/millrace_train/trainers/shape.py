"""What a model is built from besides its weights."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelShape:
    """``labels`` outputs from ``features`` inputs.

    ``base_folder`` holds a Hugging Face BERT folder's files; ``pretrained`` loads its weights (export does not: the
    trained ones follow). ``mean`` and ``variance`` are one number a feature, of the training rows.
    """

    labels: int
    single_label: bool
    features: int
    base_folder: Path | None = None
    pretrained: bool = True
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
