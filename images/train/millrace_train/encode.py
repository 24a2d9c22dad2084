"""Encoding of rows and labels: a split of a dataset version becomes a RowStore."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from millrace.contracts.data import Dataset, Target
from millrace.contracts.errors import BadInputError
from millrace.scoring.tokens import TextTokenizer, joined_texts
from millrace.step.main import Stop
from millrace_train.rows import Selection, read_rows
from millrace_train.store import RowStore, RowWriter, open_store


def encode_rows(
    selection: Selection,
    dataset: Dataset,
    folder: Path,
    fingerprint: str,
    stop: Stop,
    tokenizer: TextTokenizer | None = None,
    max_length: int | None = None,
) -> RowStore:
    """Encode the selected rows (texts as tokens, or numbers) into ``folder``, one batch in memory at a time.

    A complete store with the same fingerprint is reused. Raises BadInputError for a split without rows, an undeclared
    label, or a number that is missing or not finite, and InterruptedStepError if a stop is requested.
    """
    found = open_store(folder, fingerprint)
    if found is not None:
        return found
    where = f"{selection.dataset.uri} version {selection.dataset.version}"
    with RowWriter(folder) as writer:
        for batch, hashes in read_rows(selection, [*dataset.features, dataset.target.column]):
            stop.check("encoding rows")
            targets = encode_targets(batch.column(len(dataset.features)), dataset.target, where)
            if tokenizer is not None and max_length is not None:
                columns = {name: batch.column(index).to_pylist() for index, name in enumerate(dataset.features)}
                texts = joined_texts(columns, dataset.features)
                writer.add(hashes, targets, tokens=tokenizer.encode(texts, max_length))
            else:
                writer.add(hashes, targets, features=number_matrix(batch, dataset.features, where))
        writer.finish(fingerprint, tokenizer.pad_id if tokenizer else 0)
    made = open_store(folder, fingerprint)
    if made is None:
        raise BadInputError(
            f"the {selection.split} split has no rows",
            where=where,
            rule="training needs rows to train on and rows to choose thresholds on",
            remedy="ingest more partitions, or raise the split's fraction",
        )
    return made


def number_matrix(batch: pa.RecordBatch, features: tuple[str, ...], where: str) -> NDArray[np.float32]:
    """Return the features as float32 [rows, features].

    Raises BadInputError, which names the column, for a value that is missing, not finite or beyond float32.
    """
    matrix = np.empty((batch.num_rows, len(features)), np.float32)
    for index, name in enumerate(features):
        values = pc.cast(batch.column(index), pa.float64(), safe=False)
        with np.errstate(over="ignore"):
            matrix[:, index] = np.asarray(values)
        if values.null_count or not np.isfinite(matrix[:, index]).all():
            raise BadInputError(
                "a number is missing, NaN, infinite or beyond float32",
                where=f"{where}, column {name!r}",
                rule="features of this trainer are complete, finite numbers",
                remedy="declare the column complete with bounds, so that validation stops such rows",
            )
    return matrix


def feature_statistics(store: RowStore) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and variance of each feature over the store's rows, computed in float64 and in pieces; () for text.

    The pieces are combined by the pairwise update of Chan, Golub and LeVeque (1983).
    """
    if store.features is None:
        return (), ()
    mean = np.zeros(store.features.shape[1])
    squares = np.zeros_like(mean)
    seen = 0
    for start in range(0, store.rows, 65_536):
        piece = store.features[start : start + 65_536].astype(np.float64)
        total = seen + len(piece)
        delta = piece.mean(axis=0) - mean
        squares += piece.var(axis=0) * len(piece) + delta**2 * (seen * len(piece) / total)
        mean += delta * (len(piece) / total)
        seen = total
    return tuple(mean.tolist()), tuple((squares / seen).tolist())


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
