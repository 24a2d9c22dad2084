"""F1, calibration and thresholds, against hand-made numbers and scikit-learn."""

from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_fscore_support

from millrace_train.scores import Tally, best_threshold, choose_thresholds, decide

Scored: TypeAlias = tuple[NDArray[np.float32], NDArray[np.bool_]]


@pytest.fixture
def scored() -> Scored:
    rng = np.random.default_rng(4)
    truth = rng.random((300, 5)) < [0.5, 0.3, 0.2, 0.1, 0.02]
    return np.clip(truth * 0.4 + rng.random((300, 5)) * 0.6, 0, 1).astype(np.float32), truth


def test_f1_is_that_of_scikit_learn_batch_by_batch(scored: Scored) -> None:
    probabilities, truth = scored
    given = probabilities >= 0.55
    tally = Tally("abcde", single_label=False)
    for start in range(0, 300, 64):
        part = slice(start, start + 64)
        tally.add(probabilities[part], given[part], truth[part])
    assert tally.rows == 300
    assert tally.micro_f1() == pytest.approx(f1_score(truth, given, average="micro"))
    assert tally.macro_f1() == pytest.approx(f1_score(truth, given, average="macro"))
    expected = precision_recall_fscore_support(truth, given)
    for row, score in enumerate(tally.by_label()):
        found = (score.precision, score.recall, score.f1, score.support)
        assert found == pytest.approx(tuple(column[row] for column in expected))


def test_labels_that_do_not_occur_are_not_in_the_macro_mean() -> None:
    tally = Tally("ab", single_label=False)
    tally.add(np.asarray([[0.9, 0.9]]), np.asarray([[True, True]]), np.asarray([[True, False]]))
    assert tally.macro_f1() == 1.0
    assert tally.by_label()[1].f1 == 0.0
    assert tally.by_label()[1].recall == 0.0


def test_calibration_error_by_hand() -> None:
    # Of 15 bins 0.05 and 0.06 share the first (confidence 0.11, 1 correct), 0.97 and 0.99 the last (1.96, 1 correct).
    tally = Tally("ab", single_label=False)
    probabilities = np.asarray([[0.05, 0.97], [0.06, 0.99]])
    truth = np.asarray([[True, True], [False, False]])
    tally.add(probabilities, probabilities >= 0.5, truth)
    assert tally.calibration_error() == pytest.approx((abs(1 - 0.11) + abs(1 - 1.96)) / 4)


def test_calibration_of_single_labels_counts_the_likeliest_alone() -> None:
    tally = Tally("abc", single_label=True)
    probabilities = np.asarray([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2]])
    truth = np.asarray([[True, False, False], [True, False, False]])
    tally.add(probabilities, decide(probabilities, (0, 0, 0), single_label=True), truth)
    assert tally.calibration_error() == pytest.approx(abs(1 - 1.4) / 2)
    assert tally.micro_f1() == 0.5


def test_an_edge_belongs_to_the_bin_below_and_zero_to_the_first() -> None:
    tally = Tally("a", single_label=False)
    probabilities = np.asarray([[1 / 15], [0.05], [0.0], [1.0]])
    tally.add(probabilities, probabilities >= 0.5, np.asarray([[False], [True], [False], [True]]))
    assert tally.calibration_error() == pytest.approx(abs(1 - (1 / 15 + 0.05)) / 4)


def test_no_threshold_beats_the_best_one(scored: Scored) -> None:
    probabilities, truth = scored
    for label in range(5):
        threshold, f1 = best_threshold(probabilities[:, label], truth[:, label])
        given = probabilities[:, label] >= threshold
        assert f1 == pytest.approx(f1_score(truth[:, label], given))
        tried = [f1_score(truth[:, label], probabilities[:, label] >= cut) for cut in np.linspace(0, 1, 201)]
        assert f1 >= max(tried) - 1e-12


def test_equal_probabilities_are_given_together() -> None:
    threshold, f1 = best_threshold(np.asarray([0.9, 0.5, 0.5, 0.1]), np.asarray([True, True, False, False]))
    assert 0.1 < threshold <= 0.5
    assert f1 == pytest.approx(2 * 2 / (3 + 2))


def test_a_rare_label_takes_the_threshold_of_all(scored: Scored) -> None:
    probabilities, truth = scored
    together, _ = best_threshold(probabilities, truth)
    thresholds = choose_thresholds(probabilities, truth, min_positives=20)
    rare = truth.sum(axis=0) < 20
    assert rare.tolist() == [False, False, False, False, True]
    assert thresholds[4] == together
    assert thresholds[:4] == tuple(best_threshold(probabilities[:, i], truth[:, i])[0] for i in range(4))


def test_nothing_to_choose_by() -> None:
    assert best_threshold(np.asarray([0.2, 0.4]), np.asarray([False, False])) == (0.5, 0.0)


def test_a_label_is_given_from_its_threshold_upwards() -> None:
    probabilities = np.asarray([[0.3, 0.6], [0.2, 0.7]], np.float32)
    assert decide(probabilities, (0.3, 0.65), False).tolist() == [[True, False], [False, True]]
    assert decide(probabilities, (0.9, 0.9), True).tolist() == [[False, True], [False, True]]
