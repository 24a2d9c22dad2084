"""Quality metrics on labelled rows, accumulated batch by batch, and the choice of the decision thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.report import LabelScore

CALIBRATION_BINS = 15
MIN_POSITIVES = 20


class Tally:
    """Accumulator of counts over the rows added so far, in constant memory.

    F1 is 2·TP / (2·TP + FP + FN), and 0 for 0/0.
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
        """Add rows; all three arrays are [rows, labels]."""
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
        """Return F1 over all pairs of row and label; for single labels this is the accuracy."""
        return _f1(int(self._hits.sum()), int(self._given.sum()), int(self._support.sum()))

    def macro_f1(self) -> float:
        """Return the unweighted mean of F1 over the labels that occur in the rows (scikit-learn: ``labels`` = those).

        For a label without rows, one false positive would make F1 0 without information about the model; such false
        positives count in micro-F1.
        """
        scores = [score.f1 for score in self.by_label() if score.support]
        return sum(scores) / len(scores) if scores else 0.0

    def by_label(self) -> tuple[LabelScore, ...]:
        """Return precision, recall and F1 of each label; a ratio with denominator 0 is 0."""
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
        """Return the expected calibration error over 15 bins of equal width (Guo et al., 2017, equation 3).

        For single labels it compares the most probable label's probability with how often it is correct; for label
        sets it compares the probability of every pair of row and label with whether the row has the label.
        """
        pairs = self._bin_pairs.sum()
        return float(np.abs(self._bin_correct - self._bin_confidence).sum() / pairs) if pairs else 0.0


def decide(probabilities: NDArray[Any], thresholds: Sequence[float], single_label: bool) -> NDArray[np.bool_]:
    """Return the assigned labels as bool [rows, labels]: those at or above the threshold; single labels by argmax."""
    if not single_label:
        return np.asarray(probabilities >= np.asarray(thresholds, probabilities.dtype))
    given = np.zeros(probabilities.shape, np.bool_)
    given[np.arange(len(given)), probabilities.argmax(axis=1)] = True
    return given


def _f1(hits: int, given: int, support: int) -> float:
    return 2 * hits / (given + support) if given + support else 0.0


def best_threshold(probabilities: NDArray[Any], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the threshold with the highest F1 over all pairs, and that F1.

    The threshold lies halfway between two probabilities that occur. Without positives it is 0.5, and F1 is 0.
    """
    scores = np.asarray(probabilities, np.float64).ravel()
    positive = np.asarray(truth).ravel()
    positives = int(positive.sum())
    if not positives:
        return 0.5, 0.0
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + positives)
    # A threshold cannot separate equal probabilities.
    f1[:-1][scores[:-1] == scores[1:]] = -1.0
    last = int(np.argmax(f1))
    below = scores[last + 1] if last + 1 < len(scores) else scores[last]
    return float((scores[last] + below) / 2), float(f1[last])


def choose_thresholds(
    probabilities: NDArray[Any], truth: NDArray[np.bool_], min_positives: int = MIN_POSITIVES
) -> tuple[float, ...]:
    """Return one threshold for each label: its own best one, or the best one over all labels together for a label with
    fewer than ``min_positives`` rows.
    """
    together, _ = best_threshold(probabilities, truth)
    return tuple(
        best_threshold(probabilities[:, label], truth[:, label])[0]
        if truth[:, label].sum() >= min_positives
        else together
        for label in range(truth.shape[1])
    )
