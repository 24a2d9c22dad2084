"""The step ``train``: fine-tune on a dataset version, and write trained weights with decision thresholds."""

import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np

from millrace.contracts.data import Target
from millrace.contracts.errors import BadInputError
from millrace.contracts.report import TRAINED_FOLDER, TrainResult
from millrace.contracts.run_spec import RunSpec, TrainTask
from millrace.energy.meter import begin_phase
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.device_memory import device_memory
from millrace_train.encode import as_matrix, encode_rows, feature_statistics
from millrace_train.job import BaseModel, Job, fingerprint, open_base_model, read_job
from millrace_train.loop import Recipe, run_training
from millrace_train.optimizer import adamw, loss_reduction
from millrace_train.rows import select_rows
from millrace_train.scores import Tally, choose_thresholds, decide
from millrace_train.store import RowStore, bucket_lengths, load_batch, plan_scoring
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model
from millrace_train.weights import Trained, assign_variables, read_variables, write_trained
from millrace_train.worker_group import Workers

log = logging.getLogger("millrace.train")


def train(spec: RunSpec, stop: Stop) -> TrainResult | None:
    """Fine-tune on the dataset version that the spec names, and write the sealed folder ``out/trained``.

    In a worker group only the leader writes it; the result of every other worker is None.

    After a kill, a start with the same state folder resumes from the last complete checkpoint; the losses equal those
    of an unbroken run. Raises BadInputError, RefusedError, TransientError, InterruptedStepError or DeviceMemoryError.
    """
    if not isinstance(spec.task, TrainTask):
        raise TypeError(spec.task.kind)
    begin_phase("load")
    job = read_job(spec)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        base = open_base_model(spec.task.base_model, job.max_length, scratch)
        return _train(spec, spec.task, job, base, scratch, stop)


def _train(
    spec: RunSpec, task: TrainTask, job: Job, base: BaseModel | None, scratch: Path, stop: Stop
) -> TrainResult | None:
    workers = Workers(spec.worker_group)
    digest = fingerprint(spec, task.dataset, task.base_model)
    # workers of a group may share a machine's state folder, so each one encodes into its own scratch folder
    shared = spec.worker_group is None and spec.state_uri.startswith("file://")
    local_state = files.local_path(spec.state_uri) if shared else scratch
    limits = {"train": spec.parameters.rows, "validation": spec.parameters.validation_rows}
    stores: dict[str, RowStore] = {}
    for split, limit in limits.items():
        selection = select_rows(task.dataset, split, job.dataset.split.key, limit)
        folder = local_state / f"rows-{split}"
        tokenizer = base.tokenizer if base else None
        stores[split] = encode_rows(selection, job.dataset, folder, digest, stop, tokenizer, job.max_length)
        log.info("%s: %d rows encoded", split, stores[split].rows)
    _check_labels(stores["train"], job.dataset.target, capped=spec.parameters.rows > 0)

    keras = workers.load_keras(job.options.precision)
    keras.utils.set_random_seed(spec.parameters.seed)
    mean, variance = feature_statistics(stores["train"])
    shape = job.shape(base, mean, variance)
    recipe = Recipe(
        epochs=spec.parameters.epochs,
        batch_size=spec.parameters.batch_size,
        rows_at_once=workers.whole_shares(task.fed_at_once(spec.parameters.batch_size)),
        seed=spec.parameters.seed,
        buckets=bucket_lengths(job.bucket_lengths, job.max_length),
        checkpoint_seconds=job.options.checkpoint_seconds,
        fingerprint=digest,
    )
    total_steps = recipe.epochs * recipe.steps_per_epoch(stores["train"].rows)
    with device_memory(recipe.rows_at_once), workers.held_together():
        model = build_compiled(job, shape, spec.parameters.learning_rate, total_steps, recipe.parts)
        begin_phase("train")
        outcome = run_training(model, stores["train"], recipe, spec.state_uri, stop, workers)
        weights = read_variables("model", model.variables)
        workers.part(weights)
    if not workers.leads:
        return None
    if spec.worker_group is not None:
        # rebuild the model in the leader alone: it evaluates without the other workers
        model = build_compiled(job, shape, spec.parameters.learning_rate, total_steps, recipe.parts)
        assign_variables("model", model.variables, weights, spec.state_uri)
    begin_phase("evaluate")
    with device_memory(recipe.rows_at_once):
        thresholds, micro_f1 = judge_validation(model, stores["validation"], job, recipe)
    log.info("validation micro-F1 %.4f on %d rows", micro_f1, stores["validation"].rows)
    epoch_losses = tuple(float(part.mean()) for part in np.split(np.asarray(outcome.losses), recipe.epochs))
    trained = Trained(
        trainer=job.trainer.name,
        labels=job.dataset.target.labels,
        thresholds=thresholds,
        mean=mean,
        variance=variance,
        max_length=job.max_length,
        rows=stores["train"].rows,
        losses=epoch_losses,
        validation_micro_f1=micro_f1,
    )
    begin_phase("export")
    uri = files.join(spec.attempt_uri, "out", TRAINED_FOLDER)
    sha256 = write_trained(uri, trained, weights)
    for split in limits:
        shutil.rmtree(local_state / f"rows-{split}", ignore_errors=True)
    return TrainResult(
        trained_uri=uri,
        trained_sha256=sha256,
        losses=epoch_losses,
        rows=trained.rows,
        steps=len(outcome.losses),
        tokens=outcome.tokens or None,
        resumed_from_step=outcome.resumed_from_step,
        thresholds=thresholds,
        validation_micro_f1=micro_f1,
        rows_per_second=trained.rows * recipe.epochs / outcome.step_seconds,
    )


def build_compiled(job: Job, shape: ModelShape, learning_rate: float, total_steps: int, parts: int = 1) -> Model:
    """Return the trainer's model, compiled with loss (mean over real rows) and optimiser for ``parts`` calls a step."""
    import keras

    model = job.trainer.build(shape, job.options)
    kind = keras.losses.SparseCategoricalCrossentropy if shape.single_label else keras.losses.BinaryCrossentropy
    model.compile(
        optimizer=adamw(learning_rate, total_steps, job.options, parts),
        loss=kind(reduction=loss_reduction(parts)),
        # On TensorFlow, XLA would compile for each new length, which costs more than it gains; JAX needs it.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    return model


def judge_validation(model: Model, store: RowStore, job: Job, recipe: Recipe) -> tuple[tuple[float, ...], float]:
    """Return the thresholds chosen on validation rows (0 for single labels, decided by argmax) and micro-F1 on them."""
    labels = job.dataset.target.labels
    probabilities = np.empty((store.rows, len(labels)), np.float32)
    for batch in plan_scoring(store, recipe.buckets, recipe.rows_at_once):
        given = load_batch(store, batch, recipe.rows_at_once)
        probabilities[batch.rows] = np.asarray(model.predict_on_batch(given.inputs))[: len(batch.rows)]
    truth = as_matrix(store.targets, len(labels))
    thresholds = (0.0,) * len(labels) if job.single_label else choose_thresholds(probabilities, truth)
    tally = Tally(labels, job.single_label)
    tally.add(probabilities, decide(probabilities, thresholds, job.single_label), truth)
    return thresholds, tally.micro_f1()


def _check_labels(store: RowStore, target: Target, capped: bool) -> None:
    counts = np.zeros(len(target.labels), np.int64)
    for start in range(0, store.rows, 65_536):
        counts += as_matrix(store.targets[start : start + 65_536], len(target.labels)).sum(axis=0)
    without = [label for label, count in zip(target.labels, counts.tolist(), strict=True) if not count]
    needed = [label for label in without if label not in target.optional_labels]
    if needed and not capped:
        raise BadInputError(
            f"labels without an example: {', '.join(needed)}",
            where="workload.dataset.target.labels",
            rule="each label has at least one training row, unless it is among target.optional_labels",
            remedy="declare the label in target.optional_labels, or ingest rows that have it",
        )
    if without:
        log.warning("labels without a training row among the rows taken: %s", ", ".join(without))
