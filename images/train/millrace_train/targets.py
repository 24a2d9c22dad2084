"""A row's labels as numbers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from millrace.contracts.data import Target
from millrace.contracts.errors import BadInputError


def encode_targets(column: pa.Array, target: Target, where: str) -> NDArray[Any]:
    """Multi-label: uint8 [rows, labels], 1 where the row has the label. Single-label: int32 [rows], the label's index.

    Raises BadInputError naming the column for a label that is not declared and for a missing one.
    """
    known = pa.array(target.labels, pa.string())
    if target.kind == "single_label":
        return _indexes(column.cast(pa.string()), known, target, where).astype(np.int32)
    if column.null_count:
        raise _unknown("a missing list of labels", target, where)
    counts = np.asarray(pc.list_value_length(column))
    rows = np.repeat(np.arange(len(column)), counts)
    encoded = np.zeros((len(column), len(target.labels)), np.uint8)
    encoded[rows, _indexes(column.flatten().cast(pa.string()), known, target, where)] = 1
    return encoded


def as_matrix(targets: NDArray[Any], labels: int) -> NDArray[np.bool_]:
    """Either kind of targets as bool [rows, labels]."""
    if targets.ndim == 2:
        return targets.astype(np.bool_)
    matrix = np.zeros((len(targets), labels), np.bool_)
    matrix[np.arange(len(targets)), targets] = True
    return matrix


def _indexes(values: pa.Array, known: pa.Array, target: Target, where: str) -> NDArray[Any]:
    found = pc.index_in(values, value_set=known)
    if found.null_count:
        raise _unknown("a missing or undeclared label", target, where)
    return np.asarray(found)


def _unknown(what: str, target: Target, where: str) -> BadInputError:
    return BadInputError(
        what,
        where=f"{where}, column {target.column!r}",
        rule=f"one of the {len(target.labels)} labels that the workload declares",
        remedy="declare the label in the workload, or correct the rows and ingest them again",
    )
