"""Training loop: it always starts from a checkpoint, so that an interrupted run ends as an unbroken one does."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from millrace.contracts.errors import BadInputError, InterruptedStepError, TransientError
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.checkpoints import Checkpoint, Checkpoints, Position
from millrace_train.optimizer import assign_optimizer, read_optimizer, split
from millrace_train.progress import Progress
from millrace_train.store import Batch, ModelInput, RowStore, load_batch, plan_epoch, share
from millrace_train.untyped import Model
from millrace_train.weights import Arrays, assign_variables, read_variables
from millrace_train.worker_group import Workers

LOSSES_FILE = "losses.jsonl"
_LOSSES = "loop/losses"
# Checkpoints take at most about this share of the time; the interval grows if the configured one is too short.
_CHECKPOINT_SHARE = 0.02


@dataclass(frozen=True)
class Recipe:
    """Parameters of a training besides model and rows; ``fingerprint`` is the digest of all that determines its losses.

    ``rows_at_once`` and ``checkpoint_seconds`` do not: a batch that is fed in parts is the same batch.
    """

    epochs: int
    batch_size: int
    rows_at_once: int
    seed: int
    buckets: tuple[int, ...]
    checkpoint_seconds: float
    fingerprint: str

    @property
    def parts(self) -> int:
        """Calls for each optimiser step; 1 if a batch is fed whole."""
        return math.ceil(self.batch_size / self.rows_at_once)

    @property
    def fed_rows(self) -> int:
        """Rows fed for each step, in equal parts, including the rows that fill up the batch."""
        return self.parts * self.rows_at_once

    def steps_per_epoch(self, rows: int) -> int:
        """Optimiser steps of one epoch."""
        return math.ceil(rows / self.batch_size)


@dataclass(frozen=True)
class Outcome:
    """Result of a training: ``losses`` of all steps and ``step_seconds`` spent on them, over all attempts.

    ``loop_seconds`` and ``loop_cpu_seconds`` are of this attempt, from the compiled step to the last checkpoint.
    """

    losses: tuple[float, ...]
    tokens: int
    step_seconds: float
    loop_seconds: float
    loop_cpu_seconds: float
    resumed_from_step: int | None


@dataclass
class _Run:
    """State of one attempt: its inputs, the position, the losses and the last checkpoint."""

    model: Model
    store: RowStore
    recipe: Recipe
    workers: Workers
    state_uri: str
    checkpoints: Checkpoints
    position: Position
    losses: list[float]
    saved_step: int
    saved_at: float
    saved_every_seconds: float


def run_training(
    model: Model, store: RowStore, recipe: Recipe, state_uri: str, stop: Stop, workers: Workers
) -> Outcome:
    """Train a compiled model for all epochs, from the newest complete checkpoint in ``state_uri``.

    The same recipe and rows on the same machine give the same losses, interrupted or not: variables, optimiser and
    random generators are restored, and the step is always compiled from the same shapes in the same order.
    Raises InterruptedStepError after saving if a stop is requested, BadInputError that names the step if the loss is
    not finite, and `files.storage_full`'s errors if the state cannot be written. Of several ``workers`` only the leader
    writes, and all stop after the same step.
    """
    model.optimizer.build(model.trainable_variables)
    run = _restore(model, store, recipe, state_uri, workers)
    resumed_from_step = run.position.step or None
    began, cpu_began = time.monotonic(), time.process_time()
    progress = Progress(recipe.epochs * recipe.steps_per_epoch(store.rows), recipe.epochs, recipe.batch_size)
    while run.position.epoch < recipe.epochs:
        _run_epoch(run, stop, progress)
    return Outcome(
        losses=tuple(run.losses),
        tokens=run.position.tokens,
        step_seconds=run.position.seconds,
        loop_seconds=time.monotonic() - began,
        loop_cpu_seconds=time.process_time() - cpu_began,
        resumed_from_step=resumed_from_step,
    )


def _restore(model: Model, store: RowStore, recipe: Recipe, state_uri: str, workers: Workers) -> _Run:
    checkpoints = Checkpoints(state_uri)
    if workers.leads:
        start = checkpoints.newest(recipe.fingerprint) or _begin(model, recipe, checkpoints, state_uri)
        workers.meet("checkpoint")
    else:
        workers.meet("checkpoint")
        start = _read_back(checkpoints.newest(recipe.fingerprint), state_uri)
    if start.position.epoch < recipe.epochs:
        _compile_step(model, store, recipe, workers)
    assign_variables("model", model.variables, start.arrays, state_uri)
    assign_optimizer(model.optimizer, recipe.parts, start.arrays, state_uri)
    losses = start.arrays[_LOSSES].tolist()
    if workers.leads:
        _write_losses(state_uri, losses)
    return _Run(
        model=model,
        store=store,
        recipe=recipe,
        workers=workers,
        state_uri=state_uri,
        checkpoints=checkpoints,
        position=start.position,
        losses=losses,
        saved_step=start.position.step,
        saved_at=time.monotonic(),
        saved_every_seconds=recipe.checkpoint_seconds,
    )


def _begin(model: Model, recipe: Recipe, checkpoints: Checkpoints, state_uri: str) -> Checkpoint:
    origin = Position(fingerprint=recipe.fingerprint, epoch=0, batch=0, step=0, tokens=0, seconds=0.0)
    checkpoints.save(origin, _arrays(model, recipe, []))
    return _read_back(checkpoints.newest(recipe.fingerprint), state_uri)


def _run_epoch(run: _Run, stop: Stop, progress: Progress) -> None:
    epoch = run.position.epoch
    batches = plan_epoch(run.store, run.recipe.buckets, run.recipe.batch_size, run.recipe.seed, epoch)
    for batch in batches[run.position.batch :]:
        if run.workers.agree(stop.requested):
            _save(run)
            raise InterruptedStepError(
                f"asked to stop after step {run.position.step}",
                where=run.state_uri,
                rule="SIGTERM saves a checkpoint and ends the step",
                remedy="run it again: it goes on from the checkpoint",
            )
        if time.monotonic() - run.saved_at >= run.saved_every_seconds:
            _save(run)
        _step(run, batch)
        progress.step(run.position.step, epoch, run.losses[-1])
    run.position = run.position.model_copy(update={"epoch": epoch + 1, "batch": 0})
    _save(run)


def _step(run: _Run, batch: Batch) -> None:
    began = time.perf_counter()
    given = load_batch(run.store, batch, run.recipe.fed_rows)
    loss = _feed(run.model, given, run.recipe.parts, run.workers)
    now = run.position
    if not math.isfinite(loss):
        raise BadInputError(
            f"the loss is {loss} at step {now.step + 1}",
            where="parameters.learning_rate",
            rule="training converges: every loss is a finite number",
            remedy="lower the learning rate, lengthen the warm-up, or look for extreme values in the features",
        )
    run.losses.append(loss)
    run.position = now.model_copy(
        update={
            "batch": now.batch + 1,
            "step": now.step + 1,
            "tokens": now.tokens + batch.length * run.recipe.fed_rows,
            "seconds": now.seconds + time.perf_counter() - began,
        }
    )


def _feed(model: Model, given: ModelInput, parts: int, workers: Workers) -> float:
    losses = []
    for part in split(given, parts):
        own = share(part, workers.index, workers.count)
        losses.append(float(model.train_on_batch(own.inputs, own.targets, own.weights, return_dict=True)["loss"]))
    return sum(losses) / parts


def _compile_step(model: Model, store: RowStore, recipe: Recipe, workers: Workers) -> None:
    """Compile the step by running it on the two shortest lengths in use; the second makes it accept any length.

    The restore that follows overwrites its changes to the variables.
    """
    order = np.argsort(store.hashes, kind="stable")[: recipe.batch_size].astype(np.int64)
    longest = recipe.buckets[-1] if recipe.buckets else 0
    whole = load_batch(store, Batch(order, longest), recipe.fed_rows)
    given = share(next(split(whole, recipe.parts)), workers.index, workers.count)
    for length in _lengths_in_use(store, recipe.buckets)[:2]:
        cut = replace(given, inputs={name: array[:, : length or None] for name, array in given.inputs.items()})
        model.train_on_batch(cut.inputs, cut.targets, cut.weights)


def _lengths_in_use(store: RowStore, buckets: Sequence[int]) -> list[int]:
    if not buckets:
        return [0]
    return [buckets[index] for index in np.unique(np.searchsorted(np.asarray(buckets), store.lengths()))]


def _save(run: _Run) -> None:
    if run.position.step == run.saved_step or not run.workers.leads:
        return
    began = time.monotonic()
    run.checkpoints.save(run.position, _arrays(run.model, run.recipe, run.losses))
    _write_losses(run.state_uri, run.losses)
    run.saved_step, run.saved_at = run.position.step, time.monotonic()
    cost_seconds = run.saved_at - began
    run.saved_every_seconds = max(run.recipe.checkpoint_seconds, cost_seconds / _CHECKPOINT_SHARE)


def _arrays(model: Model, recipe: Recipe, losses: Sequence[float]) -> Arrays:
    return {
        **read_variables("model", model.variables),
        **read_optimizer(model.optimizer, recipe.parts),
        _LOSSES: np.asarray(losses, np.float64),
    }


def _write_losses(state_uri: str, losses: Sequence[float]) -> None:
    lines = (json.dumps({"step": step, "loss": loss}) for step, loss in enumerate(losses, start=1))
    files.write_bytes(files.join(state_uri, LOSSES_FILE), "".join(f"{line}\n" for line in lines).encode())


def _read_back(found: Checkpoint | None, state_uri: str) -> Checkpoint:
    if found is None:
        raise TransientError(
            "the first checkpoint cannot be read back",
            where=state_uri,
            rule="what was written can be read",
            remedy="check the store, then let the task be retried",
        )
    return found
