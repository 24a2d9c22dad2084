"""From which probability a label is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_POSITIVES = 20


def best_threshold(probabilities: NDArray[Any], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """The threshold with the highest F1 over all pairs, and that F1; halfway between two seen probabilities.

    Without a single positive there is nothing to choose by: 0.5 and F1 0.
    """
    scores = np.asarray(probabilities, np.float64).ravel()
    positive = np.asarray(truth).ravel()
    positives = int(positive.sum())
    if not positives:
        return 0.5, 0.0
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(positive[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + positives)
    # Equal probabilities are given or not given together.
    f1[:-1][scores[:-1] == scores[1:]] = -1.0
    last = int(np.argmax(f1))
    below = scores[last + 1] if last + 1 < len(scores) else scores[last]
    return float((scores[last] + below) / 2), float(f1[last])


def choose_thresholds(
    probabilities: NDArray[Any], truth: NDArray[np.bool_], min_positives: int = MIN_POSITIVES
) -> tuple[float, ...]:
    """One threshold a label: its own best one, or the best one for all labels together where the label has fewer than
    ``min_positives`` rows, too few to tell.
    """
    together, _ = best_threshold(probabilities, truth)
    return tuple(
        best_threshold(probabilities[:, label], truth[:, label])[0]
        if truth[:, label].sum() >= min_positives
        else together
        for label in range(truth.shape[1])
    )
