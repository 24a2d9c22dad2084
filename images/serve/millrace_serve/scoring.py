"""Scoring of requests by one version on its threads, in short pieces, so that other requests can run between them."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from millrace.scoring.scorer import Rows, Scorer
from millrace_serve import answers, wire
from millrace_serve.answers import Answer

SHORT_PIECE_TOKENS = 256
PIECE_TOKENS = 1024
MAX_ROWS_A_PIECE = 4096
SMALL_BODY_BYTES = 4 * 1024
_MAX_PADDING = 1.25  # ratio of a piece's tokens with padding to those without


class Ask:
    """Request body, parsed once and reused if a second version scores it; ``client`` is the client's address.

    ``is_small`` holds for bodies up to 4 KiB, which take little time to parse and tokenise. ``has_gone`` returns
    whether the client has disconnected.
    """

    def __init__(self, body: bytes, json_bytes: str | None, client: str, has_gone: Callable[[], bool]) -> None:
        self._body = body
        self._json_bytes = json_bytes
        self._parsed: wire.InferenceRequest | None = None
        self.client = client
        self.has_gone = has_gone
        self.is_small = len(body) <= SMALL_BODY_BYTES

    def parsed(self) -> wire.InferenceRequest:
        """Return the parsed request. Raises RequestRefusedError 400 if it is invalid."""
        if self._parsed is None:
            self._parsed = wire.parse(self._body, self._json_bytes)
        return self._parsed


class Scoring:
    """A request's rows, scored in pieces; ``seconds`` is the model's own time so far. Not thread-safe."""

    def __init__(self, ask: Ask, scorer: Scorer, max_rows: int) -> None:
        self._ask = ask
        self._scorer = scorer
        self._max_rows = max_rows
        self._rows: Rows | None = None
        self._left: list[int] = []
        self._taken: list[int] = []
        self._found: NDArray[np.float32] | None = None
        self.tokens: Sequence[int] = ()
        self.seconds = 0.0

    def prepare(self) -> None:
        """Parse and tokenise the request once. Raises RequestRefusedError or BadInputError if it is invalid."""
        if self._rows is not None:
            return
        started = time.monotonic()
        columns = wire.columns(self._ask.parsed(), self._scorer.manifest, self._max_rows)
        answers.check_size(len(next(iter(columns.values()))), self._scorer)
        self._rows = self._scorer.prepare(columns)
        self.tokens = self._rows.tokens()
        self._left = sorted(range(len(self._rows)), key=self.tokens.__getitem__)  # similar lengths: less padding
        self.seconds += time.monotonic() - started

    def piece(self, is_short: bool) -> Rows:
        """Return the longest rows that are left; the same ones again until ``keep`` is called.

        A piece holds at most as many tokens, with padding, as the longest allowed row, or 256 (1,024 unless
        ``is_short``) if that is more. Rows that are no texts: at most 4,096 of one token each.
        """
        assert self._rows is not None
        longest = self._scorer.manifest.max_length
        tokens = SHORT_PIECE_TOKENS if is_short else PIECE_TOKENS
        limit = MAX_ROWS_A_PIECE if longest is None else max(longest, tokens)
        self._taken = self._left[-max(1, limit // self.tokens[self._left[-1]]) :]
        return self._rows if len(self._taken) == len(self._rows) else self._rows.take(self._taken)

    def keep(self, probabilities: NDArray[np.float32], seconds: float) -> None:
        """Store the probabilities of the current piece's rows, and add the seconds that the model took."""
        assert self._rows is not None
        self.seconds += seconds
        if len(self._taken) == len(self._rows):  # one piece: no copy needed
            self._found = probabilities
        else:
            if self._found is None:
                self._found = np.empty((len(self._rows), probabilities.shape[1]), dtype=np.float32)
            self._found[self._taken] = probabilities
        del self._left[-len(self._taken) :]

    def answer(self) -> Answer | None:
        """Return the answer; None while rows are left. Raises RequestRefusedError 413 if it is too large."""
        if self._left or self._found is None:
            return None
        return answers.answer(self._ask.parsed(), self._scorer, self._found)

    def is_one_short_piece(self) -> bool:
        """Return whether all rows together have at most 256 tokens; valid after ``prepare``."""
        return sum(self.tokens) <= SHORT_PIECE_TOKENS

    def expected_seconds(self) -> float:
        """Estimate the seconds of the whole request: those so far, divided by the share of tokens already scored."""
        left = sum(self.tokens[row] for row in self._left)
        total = sum(self.tokens)
        return self.seconds * total / max(1, total - left)


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
