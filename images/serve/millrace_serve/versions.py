"""A loaded model version with its own threads, slots, health statistics and metrics."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from functools import partial

from millrace.contracts.errors import BadInputError
from millrace.contracts.model import ModelVersion
from millrace.scoring.scorer import Scorer
from millrace_serve.answers import Answer
from millrace_serve.health import Health
from millrace_serve.metrics import VersionSeries
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.scoring import Ask, Piece, Pieces, Scoring
from millrace_serve.turns import Size, Turns

CORES = len(os.sched_getaffinity(0))
_SMALL_AHEAD = 4  # small requests that wait for a thread, to be scored together


class ModelFailedError(Exception):
    """The version gave no answer: it failed (``status`` 500) or exceeded its time limit (504)."""

    def __init__(self, version: str, message: str, status: int) -> None:
        super().__init__(f"version {version}: {message}")
        self.status = status


class LoadedVersion:
    """Verified model, warmed up with one row, with as many slots as there are cores.

    Each version has its own threads, so that one that hangs does not block the other.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.model = scorer.model
        self.health = Health(scorer.model.version)
        self.series = VersionSeries(scorer.model.workload, scorer.model.version)
        self._pieces = Pieces(scorer, CORES)
        self._turns = Turns(CORES, _SMALL_AHEAD)

    @classmethod
    def load(cls, model: ModelVersion) -> "LoadedVersion":
        """Verify, load and warm up a model. Raises RefusedError if its folder differs from the ledger's record."""
        scorer = Scorer.load(model)
        blank: object = 0.0 if scorer.manifest.max_length is None else ""
        scorer.probabilities({feature: [blank] for feature in scorer.manifest.features})
        return cls(scorer)

    async def ask(self, ask: Ask, max_rows: int, limit_seconds: float, wait_seconds: float) -> Answer:
        """Answer a request within ``limit_seconds`` of the version's own time.

        Raises RequestRefusedError if the request is invalid, with 503 if the queue before it takes longer than
        ``wait_seconds``, and ModelFailedError if the model fails or is too slow. ``health`` records answers and
        failures of the model, but no errors of the client.
        """
        self._turns.check_time("small" if ask.is_small else "large", wait_seconds)
        scoring = Scoring(ask, self.scorer, max_rows)
        answer = await self._step(scoring, ask, limit_seconds) if ask.is_small else None
        if answer is None:
            await self._turns.begin_large(ask.client)
            try:
                while answer is None:
                    answer = await self._step(scoring, ask, limit_seconds, "large")
            finally:
                self._turns.end_large()
        self.health.answered(scoring.seconds)
        self.series.answered(scoring.seconds)
        return answer

    async def _step(self, scoring: Scoring, ask: Ask, limit_seconds: float, size: Size = "small") -> Answer | None:
        await self._turns.take(size, ask.client)
        if ask.has_gone():
            self._turns.give_back(size)
            raise RequestRefusedError(400, "the client went away before its request was answered")
        loop = asyncio.get_running_loop()
        began_at_seconds = loop.time()
        piece = Piece(scoring, size == "small", size == "large" and self._turns.are_small_expected())
        try:
            self._pieces.add(piece)
            answer = await _answer(piece, limit_seconds - scoring.seconds)
        except RequestRefusedError:
            raise
        except asyncio.CancelledError:  # the request's total time has expired
            if piece.answer.running():
                self._turns.took(size, loop.time() - began_at_seconds)
                self._count_late(limit_seconds)
            piece.answer.cancel()
            piece.end()
            raise
        except BadInputError as error:
            raise RequestRefusedError(400, f"{error.what} ({error.where}; {error.rule})") from error
        except TimeoutError as error:
            piece.end()
            self._turns.took(size, limit_seconds)
            self._count_late(limit_seconds)
            raise ModelFailedError(self.model.version, f"no answer within {limit_seconds:.2f} s", 504) from error
        except Exception as error:  # any error of ONNX Runtime or the graph counts against the version
            self.count_error()
            raise ModelFailedError(self.model.version, f"the model failed with {type(error).__name__}", 500) from error
        finally:
            if piece.answer.done():
                self._turns.give_back(size)
            else:  # the request is over, but the piece occupies its thread until it ends
                piece.answer.add_done_callback(lambda _: _call(loop, partial(self._turns.give_back, size)))
        self._turns.took(size, scoring.seconds if size == "small" else scoring.expected_seconds())
        if size == "small" and scoring.is_one_short_piece():
            self._turns.saw_small()
        return answer

    def count_error(self) -> None:
        """Record a request that the version could not answer."""
        self.health.erred()
        self.series.failed("error")

    def _count_late(self, seconds: float) -> None:
        self.health.late(seconds)
        self.series.failed("timeout")


async def _answer(piece: Piece, limit_seconds: float) -> Answer | None:
    """Return the piece's answer. Raises TimeoutError after ``limit_seconds`` without the wait for a thread."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    timer: asyncio.TimerHandle

    def wake() -> None:
        nonlocal timer
        left_seconds = limit_seconds - piece.own_seconds()
        if left_seconds > 0 and not piece.answer.done():
            timer = loop.call_later(left_seconds, wake)
        elif not woken.done():
            woken.set_result(None)

    timer = loop.call_later(limit_seconds, wake)
    piece.answer.add_done_callback(lambda _: _call(loop, wake))
    try:
        await woken
        if not piece.answer.done():
            raise TimeoutError
        return piece.answer.result()
    finally:
        timer.cancel()
        piece.answer.cancel()


def _call(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the server has ended
        loop.call_soon_threadsafe(call)
