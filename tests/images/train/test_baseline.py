"""The baseline: fitted on the training rows alone, at the threshold that suits it best."""

import random
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from millrace.contracts.data import DatasetVersion
from millrace.contracts.run_spec import RunSpec, TrainTask
from millrace_train import baseline
from millrace_train.rows import select_rows

Rows: TypeAlias = list[dict[str, Any]]
MakeSpec: TypeAlias = Callable[..., RunSpec]
WriteTable: TypeAlias = Callable[..., DatasetVersion]
MakeRows: TypeAlias = Callable[[int], Rows]


def test_text_with_label_sets(text_spec: MakeSpec, write_table: WriteTable, make_text_rows: MakeRows) -> None:
    version = write_table(make_text_rows(300))
    dataset = text_spec(TrainTask(dataset=version, base_model=None)).workload.dataset
    training, test = (select_rows(version, split, "id") for split in ("train", "test"))
    fitted = baseline.fit_baseline(training, test, dataset, takes_text=True)
    assert fitted is not None
    assert fitted.micro_f1 > 0.9
    assert 0 < fitted.threshold < 1


def test_labels_that_have_nothing_to_do_with_the_text(
    text_spec: MakeSpec, write_table: WriteTable, make_text_rows: MakeRows
) -> None:
    rows = make_text_rows(300)
    labels = [row["labels"] for row in rows]
    random.Random(1).shuffle(labels)
    version = write_table([{**row, "labels": given} for row, given in zip(rows, labels, strict=True)])
    dataset = text_spec(TrainTask(dataset=version, base_model=None)).workload.dataset
    training, test = (select_rows(version, split, "id") for split in ("train", "test"))
    fitted = baseline.fit_baseline(training, test, dataset, takes_text=True)
    assert fitted is not None
    assert fitted.micro_f1 < 0.75


def test_the_threshold_is_the_best_of_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((200, 4)) < 0.3
    # On the grid itself: a probability that equals the threshold is given.
    probabilities = np.linspace(0, 1, 1001)[np.round(300 * truth + 700 * rng.random((200, 4))).astype(int) // 50 * 50]
    pieces = [(slice(0, 90), truth[:90]), (slice(90, 200), truth[90:])]
    monkeypatch.setattr(baseline, "_pieces", lambda *_: iter(pieces))

    class Unchanged:
        def transform(self, piece: slice) -> slice:
            return piece

    class Known:
        def predict_proba(self, piece: slice) -> NDArray[np.float64]:
            return probabilities[piece]

    found, threshold = baseline._score(Unchanged(), Known(), None, None, True, False)
    tried = [f1_score(truth, probabilities >= cut, average="micro") for cut in np.linspace(0, 1, 1001)]
    assert found == pytest.approx(max(tried))
    assert found == pytest.approx(f1_score(truth, probabilities >= threshold, average="micro"))


def test_too_many_rows_have_no_baseline(
    number_spec: MakeSpec, write_table: WriteTable, make_number_rows: MakeRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = write_table(make_number_rows(90))
    dataset = number_spec(TrainTask(dataset=version, base_model=None)).workload.dataset
    training, test = (select_rows(version, split, "id") for split in ("train", "test"))
    monkeypatch.setattr(baseline, "MAX_ROWS", training.rows - 1)
    assert baseline.fit_baseline(training, test, dataset, takes_text=False) is None


def test_fitting_again_and_again_gives_the_same_on_wide_sparse_rows() -> None:
    """Models that were fitted side by side once sorted one matrix in place together and corrupted memory."""
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 3000, 80)) for _ in range(1200)]
    truth = rng.random((1200, 16)) < 0.2
    truth[:, 0], truth[:, 1] = True, False
    found = []
    for _ in range(3):
        features = baseline._features(takes_text=True)
        model = baseline._fit(features.fit_transform(texts), truth)
        found.append(model.predict_proba(features.transform(texts[:50])))
    assert found[0].shape == (50, 16)
    assert np.isfinite(found[0]).all()
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    assert (found[0][:, 0] == 1).all(), "a label that every row has"
    assert (found[0][:, 1] == 0).all(), "a label that no row has"
