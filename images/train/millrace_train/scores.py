"""Quality on labelled rows, added up batch by batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.report import LabelScore

CALIBRATION_BINS = 15


class Tally:
    """Counts over rows seen so far; memory does not grow with them.

    F1 is 2·TP / (2·TP + FP + FN), 0 where that is 0/0.
    """

    def __init__(self, labels: Sequence[str], single_label: bool) -> None:
        self._labels = tuple(labels)
        self._single_label = single_label
        self._hits = np.zeros(len(labels), np.int64)
        self._given = np.zeros(len(labels), np.int64)
        self._support = np.zeros(len(labels), np.int64)
        self._bin_pairs = np.zeros(CALIBRATION_BINS)
        self._bin_confidence = np.zeros(CALIBRATION_BINS)
        self._bin_correct = np.zeros(CALIBRATION_BINS)
        self.rows = 0

    def add(self, probabilities: NDArray[Any], given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
        """Count rows; all three are [rows, labels]."""
        self.rows += len(truth)
        self._hits += (given & truth).sum(axis=0)
        self._given += given.sum(axis=0)
        self._support += truth.sum(axis=0)
        if self._single_label:
            chosen = probabilities.argmax(axis=1)[:, None]
            probabilities = np.take_along_axis(probabilities, chosen, axis=1)
            truth = np.take_along_axis(truth, chosen, axis=1)
        confidence = np.asarray(probabilities, np.float64).ravel()
        bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
        self._bin_pairs += np.bincount(bins, minlength=CALIBRATION_BINS)
        self._bin_confidence += np.bincount(bins, confidence, minlength=CALIBRATION_BINS)
        self._bin_correct += np.bincount(bins, truth.ravel(), minlength=CALIBRATION_BINS)

    def micro_f1(self) -> float:
        """F1 over all pairs of row and label together; of single labels that is the accuracy."""
        return _f1(int(self._hits.sum()), int(self._given.sum()), int(self._support.sum()))

    def macro_f1(self) -> float:
        """The plain mean of F1 over the labels that occur in these rows (scikit-learn's with ``labels`` those).

        A label that no row has could only be given wrongly, so that its F1 would be 0 by one mistake and say nothing
        about the model; what is given wrongly counts in micro-F1.
        """
        scores = [score.f1 for score in self.by_label() if score.support]
        return sum(scores) / len(scores) if scores else 0.0

    def by_label(self) -> tuple[LabelScore, ...]:
        """Precision, recall and F1 of each label; a ratio with nothing below it is 0."""
        return tuple(
            LabelScore(
                label=label,
                support=support,
                precision=hits / given if given else 0.0,
                recall=hits / support if support else 0.0,
                f1=_f1(hits, given, support),
            )
            for label, hits, given, support in zip(
                self._labels, self._hits.tolist(), self._given.tolist(), self._support.tolist(), strict=True
            )
        )

    def calibration_error(self) -> float:
        """Expected calibration error over 15 equal bins (Guo et al., 2017, equation 3).

        Of single labels it compares the likeliest label's probability with how often it is right; of label sets every
        pair of row and label counts, its probability against whether the row has the label.
        """
        pairs = self._bin_pairs.sum()
        return float(np.abs(self._bin_correct - self._bin_confidence).sum() / pairs) if pairs else 0.0


def decide(probabilities: NDArray[Any], thresholds: Sequence[float], single_label: bool) -> NDArray[np.bool_]:
    """The labels that are given, bool [rows, labels]: from the threshold upwards, or of single labels the likeliest."""
    if not single_label:
        return np.asarray(probabilities >= np.asarray(thresholds, probabilities.dtype))
    given = np.zeros(probabilities.shape, np.bool_)
    given[np.arange(len(given)), probabilities.argmax(axis=1)] = True
    return given


def _f1(hits: int, given: int, support: int) -> float:
    return 2 * hits / (given + support) if given + support else 0.0
