"""Baseline: logistic regression on the same rows, which a trained model should exceed to justify its energy."""

import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.data import Dataset
from millrace.contracts.report import Baseline
from millrace.scoring.tokens import joined_texts
from millrace_train.encode import as_matrix, encode_targets, number_matrix
from millrace_train.rows import Selection, read_rows
from millrace_train.untyped import Estimator, Matrix

log = logging.getLogger("millrace.train")

MAX_ROWS = 200_000
_MAX_FEATURES = 50_000
# 10 is better than 1 on news texts (micro-F1 0.78 against 0.68 on 4,000 rows).
_INVERSE_PENALTY = 10.0
_THRESHOLDS = np.linspace(0.0, 1.0, 1001)


def fit_baseline(training: Selection, test: Selection, dataset: Dataset, takes_text: bool) -> Baseline | None:
    """Fit on ``training``, and score on ``test`` at the one threshold that is best on the test rows themselves.

    That threshold favours the baseline on purpose. Text: sublinear TF-IDF of unigrams and bigrams that occur in at
    least two rows, at most 50,000 terms; numbers: standardised. One-vs-rest with liblinear; single labels by argmax
    (threshold 0). None for more than MAX_ROWS training rows, because the matrix is held in memory.
    """
    if training.rows > MAX_ROWS:
        log.info("no baseline: %d training rows, at most %d fit in memory", training.rows, MAX_ROWS)
        return None
    began = time.perf_counter()
    features = _features(takes_text)
    truths: list[NDArray[np.bool_]] = []
    # The vectoriser reads a stream and keeps only counts.
    stream = _rows(training, dataset, takes_text, truths)
    matrix = features.fit_transform(stream if takes_text else np.stack(list(stream)))
    model = _fit(matrix, np.concatenate(truths))
    single_label = dataset.target.kind == "single_label"
    micro_f1, threshold = _score(features, model, test, dataset, takes_text, single_label)
    return Baseline(micro_f1=micro_f1, threshold=threshold, seconds=time.perf_counter() - began)


def _score(
    features: Estimator, model: Estimator, test: Selection, dataset: Dataset, takes_text: bool, single_label: bool
) -> tuple[float, float]:
    hits, given, support, right = np.zeros(_THRESHOLDS.size), np.zeros(_THRESHOLDS.size), 0, 0
    for piece, truth in _pieces(test, dataset, takes_text):
        probabilities = model.predict_proba(features.transform(piece))
        right += int(truth[np.arange(len(truth)), probabilities.argmax(axis=1)].sum())
        support += int(truth.sum())
        hits += _at_or_above(probabilities[truth])
        given += _at_or_above(probabilities)
    if single_label:
        return right / max(test.rows, 1), 0.0
    f1 = 2 * hits / np.maximum(given + support, 1)
    best = int(f1.argmax())
    return float(f1[best]), float(_THRESHOLDS[best])


def _at_or_above(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return the number of probabilities at or above each threshold."""
    reached = np.searchsorted(_THRESHOLDS, probabilities.ravel(), side="right")
    counts = np.bincount(reached, minlength=_THRESHOLDS.size + 1)
    return counts[::-1].cumsum()[::-1][1:].astype(np.float64)


def _features(takes_text: bool) -> Estimator:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import StandardScaler

    if not takes_text:
        return StandardScaler()
    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2, max_features=_MAX_FEATURES)


def _fit(matrix: Matrix, truth: NDArray[np.bool_]) -> Estimator:
    """Fit one model for each label, sequentially: in threads they sort the shared sparse matrix in place at the same
    time, which corrupts the process's memory.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Label .* is present in", category=UserWarning)
        return OneVsRestClassifier(LogisticRegression(solver="liblinear", C=_INVERSE_PENALTY)).fit(
            matrix, truth.astype(np.uint8)
        )


def _rows(selection: Selection, dataset: Dataset, takes_text: bool, truths: list[NDArray[np.bool_]]) -> Iterator[Any]:
    """Yield the features row by row, and append the labels of each piece to ``truths``."""
    for piece, truth in _pieces(selection, dataset, takes_text):
        truths.append(truth)
        yield from piece


def _pieces(selection: Selection, dataset: Dataset, takes_text: bool) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield texts or numbers of at most ROWS_AT_A_TIME rows, with their labels as bool [rows, labels]."""
    where = selection.dataset.uri
    for batch, _ in read_rows(selection, [*dataset.features, dataset.target.column]):
        targets = encode_targets(batch.column(len(dataset.features)), dataset.target, where)
        truth = as_matrix(targets, len(dataset.target.labels))
        if takes_text:
            columns = {name: batch.column(index).to_pylist() for index, name in enumerate(dataset.features)}
            yield joined_texts(columns, dataset.features), truth
        else:
            # in float32, standardising numbers near its limits would give infinities
            yield number_matrix(batch, dataset.features, where).astype(np.float64), truth
