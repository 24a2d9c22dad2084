"""A loaded version: its own threads, its own figures."""

import asyncio
import contextlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

import onnxruntime as ort
from kserve import InferRequest, InferResponse

from millrace.contracts.errors import BadInputError
from millrace.contracts.model import ModelVersion
from millrace.scoring.scorer import Scorer
from millrace_serve import metrics, wire
from millrace_serve.health import Health
from millrace_serve.refusal import RequestRefusedError

CORES = len(os.sched_getaffinity(0))


class ModelFailedError(Exception):
    """The version gave no answer: it erred (``status`` 500), or took longer than it may (504)."""

    def __init__(self, version: str, message: str, status: int) -> None:
        super().__init__(f"version {version}: {message}")
        self.status = status


class LoadedVersion:
    """A verified model that has answered one row, with as many slots as there are cores.

    Its threads are its own, so that a version that hangs leaves the other one's alone.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.model = scorer.model
        self.health = Health(scorer.model.version)
        self._threads = ThreadPoolExecutor(CORES, thread_name_prefix=f"version-{scorer.model.version}")
        self._slots = asyncio.Semaphore(CORES)

    @classmethod
    def load(cls, model: ModelVersion) -> "LoadedVersion":
        """Verify, load and warm up. Raises RefusedError for a folder that is not what the ledger recorded."""
        scorer = Scorer.load(model)
        blank: object = 0.0 if scorer.manifest.max_length is None else ""
        scorer.probabilities({feature: [blank] for feature in scorer.manifest.features})
        metrics.loaded(model.workload, model.version)
        return cls(scorer)

    async def ask(self, request: InferRequest, max_rows: int, limit_seconds: float) -> InferResponse:
        """Answer within ``limit_seconds`` of getting a slot.

        Raises RequestRefusedError where the request is at fault and ModelFailedError where the model is; both
        outcomes of the model, not the client's mistakes, go into ``health``.
        """
        columns = wire.columns(request, self.scorer.manifest, max_rows)
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        run = ort.RunOptions()
        work: Future[tuple[InferResponse, float]] = self._threads.submit(self._score, request, columns, run)
        work.add_done_callback(lambda _: self._release(loop))
        try:
            answer, seconds = await asyncio.wait_for(asyncio.wrap_future(work), limit_seconds)
        except RequestRefusedError:
            raise
        except asyncio.CancelledError:  # the request's whole time is over
            if work.running():
                self._count_late(limit_seconds)
            run.terminate = True
            raise
        except BadInputError as error:
            raise RequestRefusedError(400, f"{error.what} ({error.where}; {error.rule})") from error
        except TimeoutError as error:
            run.terminate = True
            self._count_late(limit_seconds)
            raise ModelFailedError(self.model.version, f"no answer within {limit_seconds:.2f} s", 504) from error
        except Exception as error:  # whatever ONNX Runtime or the graph raises is the version's fault
            self.count_error()
            raise ModelFailedError(self.model.version, f"the model failed with {type(error).__name__}", 500) from error
        self.health.answered(seconds)
        metrics.SECONDS.labels(self.model.workload, self.model.version).observe(seconds)
        metrics.REQUESTS.labels(self.model.workload, self.model.version, "ok").inc()
        return answer

    def _release(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(self._slots.release)

    def _score(self, request: InferRequest, columns: wire.Columns, run: ort.RunOptions) -> tuple[InferResponse, float]:
        started = time.monotonic()
        probabilities = self.scorer.probabilities(columns, run)
        seconds = time.monotonic() - started
        return wire.response(request, self.scorer, probabilities), seconds

    def count_error(self) -> None:
        """Count a request that the version could not answer."""
        self.health.erred()
        metrics.REQUESTS.labels(self.model.workload, self.model.version, "error").inc()

    def _count_late(self, seconds: float) -> None:
        self.health.late(seconds)
        metrics.REQUESTS.labels(self.model.workload, self.model.version, "timeout").inc()
