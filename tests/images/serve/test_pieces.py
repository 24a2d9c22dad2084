"""Pieces of work on a version's threads: what goes together, and what each request gets."""

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from millrace.contracts.errors import BadInputError
from millrace.scoring.scorer import Rows, Scorer
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.scoring import SHORT_PIECE_TOKENS, Ask, Piece, Pieces, Scoring
from tests.images.serve.conftest import ModelStore

GREEN = 5


class WatchedScorer(Scorer):
    """The store's model; each call waits until it is let go, and fails where ``poison`` is among its tokens."""

    poison: int | None = None

    def watch(self) -> None:
        """Note what each call is about from now on."""
        self.rows_of_calls: list[int] = []
        self.calls = threading.Semaphore(0)

    def let_go(self, calls: int = 10_000) -> None:
        """So many of the calls to come, and of those that wait."""
        self.calls.release(calls)

    def score(self, rows: Rows, run: ort.RunOptions | None = None) -> NDArray[np.float32]:
        self.rows_of_calls.append(len(rows))
        assert self.calls.acquire(timeout=30)
        if any(self.poison in ids for ids in rows.given):
            raise RuntimeError("poisoned")
        found: NDArray[np.float32] = super().score(rows, run)
        return found


@pytest.fixture
def scorer(store: ModelStore) -> Iterator[WatchedScorer]:
    scorer = WatchedScorer.load(store.text("v1", max_length=SHORT_PIECE_TOKENS))
    assert isinstance(scorer, WatchedScorer)
    scorer.watch()
    yield scorer
    scorer.let_go()


def piece(scorer: Scorer, *texts: Any, is_small: bool = True) -> Piece:
    body = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}]}
    ask = Ask(json.dumps(body).encode(), None, "client", lambda: False)
    return Piece(Scoring(ask, scorer, max_rows=1000), is_small, is_short=False)


def busy(scorer: WatchedScorer) -> tuple[Pieces, Piece]:
    """One thread, in the middle of a piece until the scorer may go on."""
    pieces, first = Pieces(scorer, threads=1), piece(scorer, "red")
    pieces.add(first)
    while not scorer.rows_of_calls:
        pass
    return pieces, first


def labels(of: Piece) -> list[list[str]]:
    answer = of.answer.result(timeout=30)
    assert answer is not None
    rows = json.loads(answer.body)["outputs"][1]["data"]
    return [[each["label"] for each in json.loads(row)] for row in rows]


def test_small_requests_that_wait_for_a_thread_are_scored_together_and_answered_apart(scorer: WatchedScorer) -> None:
    pieces, first = busy(scorer)
    waiting = [piece(scorer, "blue"), piece(scorer, "red", "green"), piece(scorer, "green")]
    for each in waiting:
        pieces.add(each)
    scorer.let_go()
    assert [labels(each) for each in (first, *waiting)] == [[["red"]], [["blue"]], [["red"], ["green"]], [["green"]]]
    assert scorer.rows_of_calls == [1, 4]
    assert waiting[1].scoring.seconds > 0


def test_what_makes_no_short_piece_together_goes_apart(scorer: WatchedScorer) -> None:
    pieces, _ = busy(scorer)
    half, long = " ".join(["blue"] * (SHORT_PIECE_TOKENS // 2 - 2)), " ".join(["red"] * SHORT_PIECE_TOKENS)
    waiting = [
        *(piece(scorer, half) for _ in range(3)),  # two of them fill a piece
        piece(scorer, "green"),  # beside which the third would be mostly padding
        piece(scorer, long),
        piece(scorer, "green", is_small=False),
        piece(scorer, "green"),
    ]
    for each in waiting:
        pieces.add(each)
    scorer.let_go()
    found = [labels(each) for each in waiting]
    assert found == [[["blue"]]] * 3 + [[["green"]], [["red"]], [["green"]], [["green"]]]
    assert scorer.rows_of_calls == [1, 2, 1, 1, 1, 1, 1]


def test_nobody_gets_anothers_error(scorer: WatchedScorer) -> None:
    pieces, _ = busy(scorer)
    scorer.poison = GREEN
    good, bad, worse, last = piece(scorer, "blue"), piece(scorer, "green"), piece(scorer, 7), piece(scorer, "red")
    for each in (good, bad, worse, last):
        pieces.add(each)
    scorer.let_go()
    assert (labels(good), labels(last)) == ([["blue"]], [["red"]])
    with pytest.raises(RuntimeError, match="poisoned"):
        bad.answer.result(timeout=30)
    with pytest.raises((RequestRefusedError, BadInputError)):
        worse.answer.result(timeout=30)
    assert scorer.rows_of_calls == [1, 2, 1, 1, 1]


def test_those_that_cannot_be_scored_keep_nobody_waiting(scorer: WatchedScorer) -> None:
    pieces, _ = busy(scorer)
    order: list[str] = []
    good, bad = piece(scorer, "blue"), [piece(scorer, 7) for _ in range(20)]
    for name, each in (("good", good), *(("bad", each) for each in bad)):
        each.answer.add_done_callback(partial(lambda name, _: order.append(name), name))
        pieces.add(each)
    scorer.let_go()
    assert labels(good) == [["blue"]]
    for each in bad:
        assert each.answer.exception(timeout=30) is not None
    assert "good" in order[:2]


def test_a_panic_of_a_library_is_the_requests_error(scorer: WatchedScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        """As pyo3's PanicException, which is no Exception."""

    def panic(*_: object) -> None:
        raise PanicError

    pieces, _ = busy(scorer)
    with monkeypatch.context() as patched:
        bad = [piece(scorer, "red"), piece(scorer, "blue")]
        for each in bad:
            patched.setattr(each.scoring, "prepare", panic)
            pieces.add(each)
        scorer.let_go()
        for each in bad:
            with pytest.raises(RuntimeError, match="PanicError"):
                each.answer.result(timeout=30)
    after = piece(scorer, "green")
    pieces.add(after)
    assert labels(after) == [["green"]]


def test_waiting_for_a_thread_is_no_time_of_its_own_and_one_of_two_has_half_of_it(scorer: WatchedScorer) -> None:
    pieces, first = busy(scorer)
    waiting = [piece(scorer, "blue"), piece(scorer, "green")]
    for each in waiting:
        pieces.add(each)
    time.sleep(0.2)
    assert [each.own_seconds() for each in waiting] == [0.0, 0.0]
    assert first.own_seconds() >= 0.2
    scorer.let_go(1)
    while len(scorer.rows_of_calls) < 2:
        pass
    time.sleep(0.2)
    assert 0.1 <= waiting[0].own_seconds() < first.own_seconds() / 2


def test_whoever_waits_no_longer_takes_no_time_and_ends_nobody_else(scorer: WatchedScorer) -> None:
    pieces, _ = busy(scorer)
    gone, ended, other = piece(scorer, "blue"), piece(scorer, "green"), piece(scorer, "red")
    for each in (gone, ended, other):
        pieces.add(each)
    assert gone.answer.cancel()
    ended.end()
    scorer.let_go()
    assert labels(other) == [["red"]]
    with pytest.raises(Exception, match="terminate"):
        ended.answer.result(timeout=30)
    assert scorer.rows_of_calls == [1, 2, 1, 1]


def test_every_piece_is_answered_whatever_goes_with_it(scorer: WatchedScorer) -> None:
    scorer.let_go()
    pieces = Pieces(scorer, threads=3)
    words = ["red", "green", "blue"]
    asked = [piece(scorer, " ".join([words[at % 3]] * (1 + at * 7 % 90)), is_small=at % 5 > 0) for at in range(300)]
    for each in asked:
        pieces.add(each)
    assert [labels(each) for each in asked] == [[[words[at % 3]]] for at in range(300)]
    assert sum(scorer.rows_of_calls) == 300 > len(scorer.rows_of_calls)
