"""Weights and variables as named arrays, and the sealed folder of them that train writes and export reads."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from millrace.contracts.base import Contract
from millrace.contracts.errors import RefusedError
from millrace.contracts.model import FolderManifest
from millrace.storage import files, folders

Arrays = dict[str, NDArray[Any]]
WEIGHTS_FILE = "weights.safetensors"
TRAINED_FILE = "trained.json"


def read_variables(prefix: str, variables: Iterable[Any]) -> Arrays:
    """Return the variables' values, including states of random generators, by the name ``prefix/path``."""
    import keras

    named = _named(prefix, variables)
    return {name: np.asarray(keras.ops.convert_to_numpy(variable.value)) for name, variable in named.items()}


def assign_variables(prefix: str, variables: Iterable[Any], arrays: Mapping[str, NDArray[Any]], where: str) -> None:
    """Set every variable. Raises RefusedError if an array is missing, unexpected or of another shape."""
    named = _named(prefix, variables)
    given = {name for name in arrays if name.startswith(f"{prefix}/")}
    wrong = sorted(given ^ set(named)) or [
        name for name, variable in named.items() if tuple(variable.shape) != arrays[name].shape
    ]
    if wrong:
        raise RefusedError(
            f"{len(wrong)} variables are missing, left over or of another shape, such as {wrong[0]!r}",
            where=where,
            rule="the weights are those of the model that the workload and its base model describe",
            remedy="train again",
        )
    for name, variable in named.items():
        variable.assign(arrays[name])


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write a safetensors file. Raises the errors of `files.storage_full`."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)
    except (OSError, SafetensorError) as error:
        raise files.storage_full(path.as_uri(), OSError(str(error))) from error


def put_arrays(uri: str, arrays: Arrays) -> None:
    """Write a safetensors file to a URI. Raises the errors of `files.storage_full`."""
    if uri.startswith("file://"):
        save_arrays(files.local_path(uri), arrays)
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "arrays.safetensors"
        save_arrays(path, arrays)
        files.put_file(path, uri)


def load_arrays(path: Path) -> Arrays:
    """Read a safetensors file."""
    from safetensors.numpy import load_file

    arrays: Arrays = load_file(path)
    return arrays


def _named(prefix: str, variables: Iterable[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for variable in variables:
        name = f"{prefix}/{variable.path}"
        if name in named:
            raise ValueError(f"two variables are called {name}")
        named[name] = variable
    return named


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
