"""Conversion of a model's or optimiser's variables to and from named arrays."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.errors import RefusedError
from millrace.storage import files

Arrays = dict[str, NDArray[Any]]


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
