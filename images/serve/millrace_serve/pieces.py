"""A version's threads and the pieces of work that they score: waiting small requests are batched."""

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import onnxruntime as ort

from millrace.scoring.scorer import Rows, Scorer
from millrace_serve.answers import Answer
from millrace_serve.scoring import SHORT_PIECE_TOKENS, Scoring

_MAX_PADDING = 1.25  # ratio of a piece's tokens with padding to those without


class Piece:
    """The next piece of a request; ``answer`` resolves to the request's answer after its last piece, else to None.

    If ``is_small``, it may be scored in a batch with others.
    """

    def __init__(self, scoring: Scoring, is_small: bool, is_short: bool) -> None:
        self.scoring = scoring
        self.is_small = is_small
        self.is_short = is_short
        self.answer: Future[Answer | None] = Future()
        self._run: ort.RunOptions | None = None
        self._is_ended = False
        self._began_at_seconds: float | None = None
        self._with = 1

    def end(self) -> None:
        """Abandon the piece: ONNX Runtime stops between two nodes of the graph."""
        self._is_ended = True
        if self._run is not None:
            self._run.terminate = True

    def begin(self, run: ort.RunOptions, together: int) -> None:
        """Start scoring in the call ``run``, in a batch of ``together`` pieces."""
        self._run = run
        self._with = together
        self._began_at_seconds = time.monotonic()
        if self._is_ended:
            run.terminate = True

    def prepare(self) -> bool:
        """Parse and tokenise; return whether the piece can be scored, and set the error as its answer if not."""
        try:
            self.scoring.prepare()
        except BaseException as error:  # a panic in a Rust library is not an Exception
            if self.answer.running() or self.take():
                self.fail(error)
            return False
        return True

    def take(self) -> bool:
        """Mark the piece as in progress; return False if its answer is set or cancelled."""
        if self.answer.done() or not self.answer.set_running_or_notify_cancel():
            return False
        self._began_at_seconds = time.monotonic()
        return True

    def own_seconds(self) -> float:
        """Return the seconds since a thread began with it, divided by the pieces in its batch; 0 before that."""
        began = self._began_at_seconds
        return 0.0 if began is None else (time.monotonic() - began) / self._with

    def fail(self, error: BaseException) -> None:
        """Set the error as the answer, unless there is one."""
        if not self.answer.done():
            known = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}")
            self.answer.set_exception(known)


class Pieces:
    """Scores one version's pieces in their order of arrival on ``threads`` threads.

    A thread that starts with a small piece adds the small ones that follow it, as many as fit one short piece, up to
    the first one that cannot be scored. If the batch fails, its pieces are scored again one by one.
    """

    def __init__(self, scorer: Scorer, threads: int) -> None:
        self._scorer = scorer
        self._waiting: deque[Piece] = deque()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"version-{scorer.model.version}")

    def add(self, piece: Piece) -> None:
        """Queue a piece for the next free thread; its answer is always set or cancelled in the end."""
        self._waiting.append(piece)
        self._threads.submit(self._work)

    def _work(self) -> None:
        together: list[Piece] = []
        try:
            piece = self._first()
            while piece is not None:
                together.append(piece)
                piece = self._next(together) if piece.is_small else None
            self._score(together)
        except BaseException as error:
            for each in together:
                each.fail(error)
            raise

    def _first(self) -> Piece | None:
        """Return the next piece that is not cancelled, prepared; None if there is none."""
        while (piece := self._pop()) is not None:
            if piece.take() and piece.prepare():
                return piece
        return None

    def _next(self, together: Sequence[Piece]) -> Piece | None:
        """Return the next piece, prepared; None if there is none or it does not fit into the batch."""
        piece = self._pop()
        if piece is None or piece.answer.done() or (piece.is_small and not piece.prepare()):
            return None
        if not piece.is_small or not _fits([*together, piece]):
            self._waiting.appendleft(piece)
            self._threads.submit(self._work)  # its own thread may already have found an empty queue
            return None
        return piece if piece.take() else None

    def _pop(self) -> Piece | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _score(self, together: Sequence[Piece]) -> None:
        if len(together) > 1:
            with contextlib.suppress(Exception):
                self._score_at_once(together)
                return
        for piece in (piece for piece in together if not piece.answer.done()):
            try:
                self._score_at_once([piece])
            except Exception as error:
                piece.fail(error)

    def _score_at_once(self, together: Sequence[Piece]) -> None:
        run = ort.RunOptions()
        for piece in together:
            piece.begin(run, len(together))
        started = time.monotonic()
        rows = [piece.scoring.piece(piece.is_short) for piece in together]
        found = self._scorer.score(Rows.joined(rows), run)
        seconds_of_a_row = (time.monotonic() - started) / max(1, len(found))
        start = 0
        for piece, its_rows in zip(together, rows, strict=True):
            end = start + len(its_rows)
            piece.scoring.keep(found[start:end], seconds_of_a_row * len(its_rows))
            try:
                answer = piece.scoring.answer()
            except Exception as error:
                piece.fail(error)
            else:
                piece.answer.set_result(answer)
            start = end


def _fits(together: Sequence[Piece]) -> bool:
    """Return whether the pieces fit one short piece (256 tokens with padding) with at most 25 % padding."""
    tokens = [count for piece in together for count in piece.scoring.tokens]
    padded = max(tokens, default=0) * len(tokens)
    return padded <= SHORT_PIECE_TOKENS and padded <= _MAX_PADDING * sum(tokens)
