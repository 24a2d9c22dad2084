"""Encoding of labels as arrays."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from millrace.contracts.data import Target
from millrace.contracts.errors import BadInputError


def encode_targets(column: pa.Array, target: Target, where: str) -> NDArray[Any]:
    """Encode labels: as uint8 [rows, labels] with 1 for each label of the row, or for single labels as int32 [rows].

    A single label's number is its index in the target's labels. Raises BadInputError, which names the column, for an
    undeclared or missing label.
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
    """Convert encoded targets of either kind to bool [rows, labels]."""
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
