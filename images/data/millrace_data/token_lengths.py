"""Histogram of the token counts of a partition's texts."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from millrace.contracts.data import LengthHistogram
from millrace.contracts.model import BaseModelRef, FolderManifest
from millrace.scoring.tokens import TextTokenizer, joined_texts
from millrace.storage import folders

SAMPLE_ROWS = 4096
_UPPER = (8, 16, 32, 64, 128, 256, 512)


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
