"""One request at one version, as pieces of work that are short enough for others to go between them."""

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
    """A request's body, parsed by the first version that is asked and kept for the second; ``client`` is its address.

    It is small where parsing and tokenising it takes next to no time. ``has_gone`` says whether nobody waits for the
    answer any more.
    """

    def __init__(self, body: bytes, json_bytes: str | None, client: str, has_gone: Callable[[], bool]) -> None:
        self._body = body
        self._json_bytes = json_bytes
        self._parsed: wire.InferenceRequest | None = None
        self.client = client
        self.has_gone = has_gone
        self.is_small = len(body) <= SMALL_BODY_BYTES

    def parsed(self) -> wire.InferenceRequest:
        """The request. Raises RequestRefusedError 400."""
        if self._parsed is None:
            self._parsed = wire.parse(self._body, self._json_bytes)
        return self._parsed


class Scoring:
    """A request's rows, scored piece by piece; ``seconds`` is the model's own time so far. For one thread at a time."""

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
        """Parse and tokenise, once. Raises RequestRefusedError and BadInputError where the request is at fault."""
        if self._rows is not None:
            return
        started = time.monotonic()
        columns = wire.columns(self._ask.parsed(), self._scorer.manifest, self._max_rows)
        answers.check_size(len(next(iter(columns.values()))), self._scorer)
        self._rows = self._scorer.prepare(columns)
        self.tokens = self._rows.tokens()
        self._left = sorted(range(len(self._rows)), key=self.tokens.__getitem__)  # those of like length go together
        self.seconds += time.monotonic() - started

    def piece(self, is_short: bool) -> Rows:
        """The longest rows that are left; the same ones again until they are kept.

        They have as many tokens as the longest row may have, and at least 256, or 1,024 where they need not be short.
        """
        assert self._rows is not None
        longest = self._scorer.manifest.max_length
        tokens = SHORT_PIECE_TOKENS if is_short else PIECE_TOKENS
        limit = MAX_ROWS_A_PIECE if longest is None else max(longest, tokens)
        self._taken = self._left[-max(1, limit // self.tokens[self._left[-1]]) :]
        return self._rows if len(self._taken) == len(self._rows) else self._rows.take(self._taken)

    def keep(self, probabilities: NDArray[np.float32], seconds: float) -> None:
        """What the piece's rows came to, and how long the model took for them."""
        assert self._rows is not None
        self.seconds += seconds
        if len(self._taken) == len(self._rows):  # nothing to put together
            self._found = probabilities
        else:
            if self._found is None:
                self._found = np.empty((len(self._rows), probabilities.shape[1]), dtype=np.float32)
            self._found[self._taken] = probabilities
        del self._left[-len(self._taken) :]

    def answer(self) -> Answer | None:
        """The answer; None while rows are left. Raises RequestRefusedError 413 where it is too large."""
        if self._left or self._found is None:
            return None
        return answers.answer(self._ask.parsed(), self._scorer, self._found)

    def is_one_short_piece(self) -> bool:
        """Whether all rows together have so few tokens; to be asked once they are prepared."""
        return sum(self.tokens) <= SHORT_PIECE_TOKENS

    def expected_seconds(self) -> float:
        """What the whole request takes, by the pieces that are scored."""
        left = sum(self.tokens[row] for row in self._left)
        total = sum(self.tokens)
        return self.seconds * total / max(1, total - left)
