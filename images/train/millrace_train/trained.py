"""The sealed folder that train writes and export reads: weights, and the other results of training."""

import json
from pathlib import Path

from pydantic import ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders
from millrace_train.variables import Arrays, load_arrays, put_arrays

WEIGHTS_FILE = "weights.safetensors"
TRAINED_FILE = "trained.json"


class Trained(Contract):
    """Results of training besides the weights; ``mean`` and ``variance`` have one number for a feature, () for text."""

    trainer: str
    labels: tuple[str, ...]
    thresholds: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    max_length: int | None
    rows: int
    losses: tuple[float, ...]
    validation_micro_f1: float


def write_trained(uri: str, trained: Trained, weights: Arrays) -> str:
    """Write and seal the folder; return its manifest's digest. Raises the errors of `files.storage_full`."""
    put_arrays(files.join(uri, WEIGHTS_FILE), weights)
    text = json.dumps(trained.model_dump(), indent=1)
    files.write_bytes(files.join(uri, TRAINED_FILE), text.encode())
    return folders.seal(uri, FolderManifest(kind="trained", files=folders.digests(uri)))


def open_trained(uri: str, manifest_sha256: str, scratch: Path) -> tuple[Trained, Arrays]:
    """Read a sealed folder. Raises RefusedError if a digest differs or the folder is not one of train."""
    manifest = folders.open_sealed(uri, manifest_sha256, FolderManifest)
    folder = folders.fetch(uri, list(manifest.files), scratch / "trained")
    try:
        trained = Trained.model_validate_json((folder / TRAINED_FILE).read_bytes())
    except (ValidationError, FileNotFoundError) as error:
        raise RefusedError(
            f"no trained model: {error}", where=uri, rule="train wrote this folder", remedy="train again"
        ) from error
    return trained, load_arrays(folder / WEIGHTS_FILE)
