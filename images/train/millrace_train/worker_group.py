"""Set-up of Keras, alone or in a worker group, which trains one model on JAX with a share of every batch each."""

import hashlib
import logging
import math
import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Literal

import numpy as np

from millrace.contracts.errors import InterruptedStepError, TransientError
from millrace.contracts.run_spec import WorkerGroup
from millrace_train.weights import Arrays

_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
log = logging.getLogger("millrace.train")
# A closed connection shows the loss of a worker at once; the heartbeat shows the loss of its whole machine.
_HEARTBEAT_SECONDS = 30
_ARRIVAL_SECONDS = 15
_LEAVE_SECONDS = 10
# XLA reports a failed collective as a status at the start of the message, in different Python exceptions
_LOST = re.compile(r"^(UNKNOWN|UNAVAILABLE|ABORTED|CANCELLED|INTERNAL|DEADLINE_EXCEEDED|FAILED_PRECONDITION): ")


def load_keras(precision: str = "float32", backend: Literal["tensorflow", "jax"] = "tensorflow") -> ModuleType:
    """Import Keras and set ``precision`` as its dtype policy; the import takes several seconds.

    Automatic numbering of names restarts, so that the variables of a rebuilt model keep their names.
    """
    os.environ["KERAS_BACKEND"] = backend
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Keras on TensorFlow triggers this NumPy 2 warning for every variable that it reads.
    warnings.filterwarnings(
        "ignore", message="__array__ implementation doesn't accept a copy", category=DeprecationWarning
    )
    import keras

    keras.utils.clear_session()
    keras.config.set_dtype_policy(precision)
    module: ModuleType = keras
    return module


class Workers:
    """This process as a member of its worker group; without a group it is the only worker and the leader."""

    def __init__(self, worker_group: WorkerGroup | None) -> None:
        self._began = time.monotonic()
        self._group = worker_group
        self.index = worker_group.index if worker_group else 0
        self.count = worker_group.workers if worker_group else 1
        self.leads = self.index == 0

    def load_keras(self, precision: str) -> ModuleType:
        """Import Keras as `backend.load_keras` does; in a group on JAX, with equal variables in every worker.

        It returns once all workers have joined. Raises InterruptedStepError if one does not join in time.
        """
        if self._group is None:
            return load_keras(precision)
        import jax

        log.info("worker %d of %d, meeting at %s", self.index, self.count, self._group.coordinator)
        # JAX would otherwise install its own SIGTERM handler
        jax.config.update("jax_enable_preemption_service", False)
        # its INFO lines only report that there is no TPU
        logging.getLogger("jax").setLevel(logging.WARNING)
        with self.held_together():
            jax.distributed.initialize(
                self._group.coordinator,
                num_processes=self.count,
                process_id=self.index,
                initialization_timeout=self._patience_seconds(self._group),
                heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_LEAVE_SECONDS,
            )
        keras = load_keras(precision, "jax")
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        return keras

    def _patience_seconds(self, worker_group: WorkerGroup) -> int:
        """Return the join timeout: `join_seconds`, twice the time since this worker's start, and 15 s."""
        return math.ceil(worker_group.join_seconds + 2 * (time.monotonic() - self._began)) + _ARRIVAL_SECONDS

    def whole_shares(self, rows: int) -> int:
        """Round ``rows`` up to a multiple of the number of workers."""
        return math.ceil(rows / self.count) * self.count

    def meet(self, name: str) -> None:
        """Wait at the barrier ``name`` until every worker has reached it."""
        if self._group is not None:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(name)

    def agree(self, asked: bool) -> bool:
        """Return whether ``asked`` is true in any worker; every worker gets the same answer at the same step."""
        return asked if self._group is None else bool(_gather(np.asarray([asked])).any())

    def part(self, weights: Arrays) -> None:
        """Compare the final weights of all workers by digest, then leave the group.

        Raises TransientError if they differ: all workers must hold copies of one model.
        """
        if self._group is None:
            return
        import jax
        import keras

        digest = hashlib.sha256()
        for name, array in sorted(weights.items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        log.info("worker %d ends with weights %s", self.index, digest.hexdigest())
        everyone = _gather(np.frombuffer(digest.digest(), np.uint8)[None])
        if (everyone != everyone[0]).any():
            raise TransientError(
                f"the {self.count} workers ended with different weights",
                where="training",
                rule="every worker applies the same update in every step",
                remedy="let the task be retried; if it comes back, look for a worker with other hardware or libraries",
            )
        jax.distributed.shutdown()
        keras.distribution.set_distribution(None)
        # restart the numbering of variables' names: the leader builds its own copy of the model next
        keras.utils.clear_session()

    @contextmanager
    def held_together(self) -> Iterator[None]:
        """Turn an error that shows the loss of another worker into InterruptedStepError: this one cannot continue."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            if self._group is None or not _LOST.match(str(error)):
                raise
            raise InterruptedStepError(
                f"another worker was lost: {str(error).splitlines()[0][:200]}",
                where=f"worker {self.index} of {self.count}",
                rule="every worker takes part in every step",
                remedy="run all of them again: they go on from the last checkpoint",
            ) from error


def _gather(own: np.ndarray) -> np.ndarray:
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(own, tiled=True))
