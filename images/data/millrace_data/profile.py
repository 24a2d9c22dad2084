"""The profile of a partition: counts of rows, bytes, splits and labels, from which the run is sized."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from millrace.contracts.data import SPLIT_COLUMN, Dataset, LengthHistogram, Profile


class Profiler:
    """Builds a partition's profile batch by batch; ``bytes`` are the declared columns' in Arrow memory, uncompressed.

    A row counts once for each distinct label that it has.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._target = dataset.target.column
        self._columns = [column.name for column in dataset.columns]
        self._rows = 0
        self._bytes = 0
        self._splits: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._train_labels: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        self._rows += batch.num_rows
        self._bytes += sum(batch.column(name).nbytes for name in self._columns if name in batch.schema.names)
        splits = batch.column(SPLIT_COLUMN)
        self._splits.update(_value_counts(splits))
        rows, labels = _labels(batch.column(self._target))
        self._labels.update(_value_counts(labels))
        self._train_labels.update(_value_counts(labels.filter(pc.equal(splits, "train").take(rows))))

    def profile(self, token_lengths: LengthHistogram | None) -> Profile:
        """Return the profile of all rows added."""
        return Profile(
            rows=self._rows,
            bytes=self._bytes,
            rows_by_split=dict(sorted(self._splits.items())),
            label_counts=dict(sorted(self._labels.items())),
            train_label_counts=dict(sorted(self._train_labels.items())),
            token_lengths=token_lengths,
        )


def _labels(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return row indexes and labels, each (row, label) pair once; nulls are left out."""
    if not pa.types.is_list(column.type):
        rows, labels = pa.array(np.arange(len(column))), column.cast(pa.string())
        held = pc.is_valid(labels)
        return rows.filter(held), labels.filter(held)
    pairs = pa.table({"row": pc.list_parent_indices(column), "label": pc.list_flatten(column)})
    once = pairs.filter(pc.is_valid(pairs["label"])).group_by(["row", "label"]).aggregate([]).combine_chunks()
    return once["row"].combine_chunks(), once["label"].combine_chunks()


def _value_counts(values: pa.Array) -> dict[str, int]:
    return {str(entry["values"]): entry["counts"] for entry in pc.value_counts(values).to_pylist()}
