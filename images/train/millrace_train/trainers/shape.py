"""Parameters from which a model is built, besides its weights."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ModelShape:
    """Shape of a model with ``labels`` outputs and ``features`` inputs.

    ``base_folder`` holds the files of a Hugging Face BERT; with ``pretrained`` its weights are loaded (export assigns
    the trained ones instead). ``mean`` and ``variance`` hold one number for each feature, over the training rows.
    """

    labels: int
    single_label: bool
    features: int
    base_folder: Path | None = None
    pretrained: bool = True
    mean: tuple[float, ...] = ()
    variance: tuple[float, ...] = ()
