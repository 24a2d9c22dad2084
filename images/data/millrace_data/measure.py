"""Measurements and profile of a partition's rows: compact values for the expectation suite, counts for sizing."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from millrace.contracts.data import PARTITION_COLUMN, SPLIT_COLUMN, Dataset, LengthHistogram, Profile
from millrace.contracts.errors import BadInputError
from millrace.contracts.model import BaseModelRef, FolderManifest
from millrace.scoring.tokens import TextTokenizer, joined_texts
from millrace.storage import files, folders
from millrace_data import bounds
from millrace_data.streams import store_failed

_BATCH_BYTES = 4 << 20
_MAX_BATCH_ROWS = 1 << 14
SAMPLE_ROWS = 4096
_UPPER = (8, 16, 32, 64, 128, 256, 512)


def parquet_batches(
    uri: str, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a staged file's rows, all or only the given columns and row groups, in batches of about 4 MiB.

    Raises BadInputError if the file is missing or damaged, TransientError if the store fails.
    """
    system, path = files.locate(uri)
    try:
        with pq.ParquetFile(system.open_input_file(path), buffer_size=1 << 20, pre_buffer=False) as file:
            yield from file.iter_batches(_batch_rows(file.metadata), row_groups=groups, columns=columns)
    except (pa.ArrowException, FileNotFoundError) as error:
        raise not_as_staged(uri, f"the staged file is missing or damaged ({type(error).__name__})") from error
    except OSError as error:
        raise store_failed(uri, error) from error


def not_as_staged(uri: str, what: str) -> BadInputError:
    """Return the error of a staged file that is not the one that ingest reported."""
    rule = "the staged file is the one that ingest reported"
    return BadInputError(what, where=uri, rule=rule, remedy="run ingest again")


def _batch_rows(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    row_bytes = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(_MAX_BATCH_ROWS, int(_BATCH_BYTES / max(1.0, row_bytes))))


class Measurements:
    """Collects the values that the suite checks, a few bytes a row: numbers, and lengths of texts, binaries and lists.

    Integers become int64 and floats float64, without loss. A number that pandas or Spark would not compare exactly
    with its bounds (see bounds.are_plain) becomes -1 below them, 1 above them, otherwise 0; a date or timestamp that is
    not null becomes 0. The vocabulary columns (target, splits, partition) keep their values as strings. ``frame`` has
    the file's columns in order.
    """

    def __init__(self, dataset: Dataset) -> None:
        kept = {dataset.target.column, dataset.split.column, SPLIT_COLUMN, PARTITION_COLUMN}
        self._kept = {name for name in kept if name is not None}
        self._columns = {column.name: column for column in dataset.columns}
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch's measurements; its texts are not kept in memory."""
        self._batches.append(self.measured(batch))

    def measured(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch's measurements: the same rows and column names."""
        columns = [self._measured(field.name, batch.column(field.name)) for field in batch.schema]
        return pa.record_batch(columns, names=batch.schema.names)

    def _measured(self, name: str, array: pa.Array) -> pa.Array:
        if pa.types.is_list(array.type):
            return pc.list_value_length(array)
        if name in self._kept:
            return array.cast(pa.string()).dictionary_encode()
        if pa.types.is_string(array.type):
            return pc.utf8_length(array)
        if pa.types.is_binary(array.type):
            return pc.binary_length(array)
        column = self._columns.get(name)
        if column is None or pa.types.is_boolean(array.type):
            return array
        if not bounds.are_plain(column):
            return bounds.position(column, array)
        return array.cast(pa.int64() if pa.types.is_integer(array.type) else pa.float64())

    def frame(self) -> pd.DataFrame:
        """Return the measurements of all batches added, one row for each row."""
        table = pa.Table.from_batches(self._batches).unify_dictionaries()
        frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
        return frame


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


def open_tokenizer(base_model: BaseModelRef) -> TextTokenizer:
    """Return the base model's tokenizer. Raises RefusedError if the folder is not the one that the ledger recorded."""
    name = "tokenizer.json"
    folders.open_sealed(base_model.uri, base_model.manifest_sha256, FolderManifest)
    with tempfile.TemporaryDirectory(prefix="millrace-tokenizer-") as folder:
        return TextTokenizer.from_file(folders.fetch(base_model.uri, [name], Path(folder)) / name)


class TokenLengths:
    """Counts the tokens of the texts of a partition of ``rows`` rows: of all rows up to 4,096; of a larger partition's
    4,096 evenly spaced rows, scaled to all rows (95 % confidence interval of a bucket's share: ±1.6 percentage points).

    A text of more than 512 tokens, [CLS] and [SEP] included, counts as 512.
    """

    def __init__(self, tokenizer: TextTokenizer, features: Sequence[str], rows: int) -> None:
        self._tokenizer = tokenizer
        self._features = tuple(features)
        self._rows = rows
        self._wanted = np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE_ROWS)).astype(np.int64))
        self._rows_before = 0
        self._counts = np.zeros(len(_UPPER), np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the tokens of the sampled rows of the next batch."""
        start, end = np.searchsorted(self._wanted, [self._rows_before, self._rows_before + batch.num_rows])
        taken = batch.select(self._features).take(pa.array(self._wanted[start:end] - self._rows_before))
        self._rows_before += batch.num_rows
        columns: Mapping[str, Sequence[object]] = {name: taken.column(name).to_pylist() for name in self._features}
        texts = joined_texts(columns, self._features)
        buckets = np.searchsorted(_UPPER, self._tokenizer.lengths(texts, _UPPER[-1]))
        self._counts += np.bincount(buckets, minlength=len(_UPPER))

    def histogram(self) -> LengthHistogram:
        """Return the histogram of all rows; the sum of its counts is the number of rows."""
        exact = self._counts * (self._rows / max(1, self._counts.sum()))
        counts = np.floor(exact).astype(np.int64)
        # Largest remainder method: rows lost by rounding down go to the buckets that lost the most.
        counts[np.argsort(counts - exact, kind="stable")[: self._rows - counts.sum()]] += 1
        return LengthHistogram(upper=_UPPER, counts=tuple(counts.tolist()))
