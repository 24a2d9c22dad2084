"""Choice of the decision thresholds: the probability from which a label is assigned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_POSITIVES = 20


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
