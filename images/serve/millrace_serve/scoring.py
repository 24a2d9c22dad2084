"""Scoring of one request by one version, split into short pieces so that other requests can run between them."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from millrace.scoring.scorer import Rows, Scorer
from millrace_serve import answers, wire
from millrace_serve.answers import Answer

SHORT_PIECE_TOKENS = 256
PIECE_TOKENS = 1024
MAX_ROWS_A_PIECE = 4096
SMALL_BODY_BYTES = 4 * 1024


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
