"""The step ``export``: convert trained weights into a model version that the model server can load."""

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.contracts.errors import RefusedError
from millrace.contracts.model import MANIFEST_FILE, ModelManifest, ModelVersion
from millrace.contracts.report import ExportResult
from millrace.contracts.run_spec import ExportTask, RunSpec
from millrace.energy.meter import begin_phase
from millrace.scoring.scorer import MODEL_FILE
from millrace.scoring.tokens import TOKENIZER_FILE
from millrace.step.main import Stop
from millrace.storage import files, folders
from millrace_train.encode import encode_rows
from millrace_train.job import BaseModel, Job, open_base_model, read_job
from millrace_train.onnx_file import largest_difference, write_onnx
from millrace_train.rows import select_rows
from millrace_train.store import Batch, RowStore, bucket_lengths, load_batch, plan_scoring
from millrace_train.untyped import Model
from millrace_train.weights import WEIGHTS_FILE, Arrays, Trained, assign_variables, open_trained, save_arrays
from millrace_train.worker_group import load_keras

log = logging.getLogger("millrace.train")

EXPORT_TOLERANCE = 1e-4
_ROWS_TO_COMPARE = 48
_ROWS_AT_A_TIME = 16
# The error is rounded up to a multiple of this, so that rounding noise does not change the version of an equal model.
_ERROR_GRAIN = 1e-6


def export(spec: RunSpec, stop: Stop) -> ExportResult:
    """Write the version's folder below ``models_uri``: model.onnx, weights, tokenizer, and last the sealed manifest.

    The version's name derives from its manifest's digest: a second export of the same model finds the same folder,
    verifies it and changes nothing. Raises RefusedError if a digest differs, the trained folder has another trainer,
    labels or length, or a probability differs between ONNX and Keras by more than EXPORT_TOLERANCE.
    """
    if not isinstance(spec.task, ExportTask):
        raise TypeError(spec.task.kind)
    begin_phase("load")
    job = read_job(spec)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        base = open_base_model(spec.task.base_model, job.max_length, scratch)
        trained, weights = open_trained(spec.task.trained_uri, spec.task.trained_sha256, scratch)
        _check_trained(trained, job, spec.task.trained_uri)
        model = rebuild(job, trained, weights, base, spec.task.trained_uri)
        folder = scratch / "version"
        folder.mkdir()
        begin_phase("export")
        write_onnx(model, folder / MODEL_FILE)
        log.info("%s written, %d bytes", MODEL_FILE, (folder / MODEL_FILE).stat().st_size)
        stop.check("between export and comparison")
        begin_phase("evaluate")
        rows = _rows_to_compare(spec.task, job, base, scratch, stop)
        error = largest_difference(model, folder / MODEL_FILE, _comparisons(rows, job))
        _check_error(error, spec.task.trained_uri)
        begin_phase("export")
        save_arrays(folder / WEIGHTS_FILE, weights)
        if base is not None:
            shutil.copyfile(base.folder / TOKENIZER_FILE, folder / TOKENIZER_FILE)
        manifest = ModelManifest(
            workload=spec.workload.name,
            trainer=trained.trainer,
            files=folders.digests(files.to_uri(folder)),
            target_kind=job.dataset.target.kind,
            labels=trained.labels,
            thresholds=trained.thresholds,
            features=job.dataset.features,
            max_length=trained.max_length,
            export_tolerance=EXPORT_TOLERANCE,
            export_error=max(1, math.ceil(error / _ERROR_GRAIN)) * _ERROR_GRAIN,
            dataset=spec.task.dataset,
        )
        version = _publish(folder, manifest, spec.task.models_uri)
    log.info("version %s, largest difference from Keras %.1e", version.version, error)
    return ExportResult(
        model=version,
        export_error=manifest.export_error,
        export_tolerance=EXPORT_TOLERANCE,
        bytes=sum(digest.size_bytes for digest in manifest.files.values()),
    )


def rebuild(job: Job, trained: Trained, weights: Arrays, base: BaseModel | None, where: str) -> Model:
    """Rebuild the trained Keras model in float32, independently of its training precision."""
    load_keras("float32")
    model = job.trainer.build(job.shape(base, trained.mean, trained.variance, pretrained=False), job.options)
    assign_variables("model", model.variables, weights, where)
    return model


def _rows_to_compare(task: ExportTask, job: Job, base: BaseModel | None, scratch: Path, stop: Stop) -> RowStore:
    selection = select_rows(task.dataset, "validation", job.dataset.split.key, _ROWS_TO_COMPARE)
    tokenizer = base.tokenizer if base else None
    return encode_rows(selection, job.dataset, scratch / "rows", "export", stop, tokenizer, job.max_length)


def _comparisons(rows: RowStore, job: Job) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield inputs: up to three single rows without padding, batches at each length, one at the greatest length."""
    lengths = rows.lengths()
    for row in sorted({0, int(lengths.argmin()), int(lengths.argmax())}):
        yield load_batch(rows, Batch(np.asarray([row]), int(lengths[row])), 1).inputs
    buckets = bucket_lengths(job.bucket_lengths, job.max_length)
    for batch in plan_scoring(rows, buckets, _ROWS_AT_A_TIME):
        yield load_batch(rows, batch, len(batch.rows)).inputs
    first = np.arange(min(rows.rows, _ROWS_AT_A_TIME))
    yield load_batch(rows, Batch(first, job.max_length or 0), len(first)).inputs


def _publish(folder: Path, manifest: ModelManifest, models_uri: str) -> ModelVersion:
    sha256 = folders.seal(files.to_uri(folder), manifest)
    version = f"v-{sha256[:12]}"
    uri = files.join(models_uri, version)
    if files.exists(files.join(uri, MANIFEST_FILE)):
        folders.open_sealed(uri, sha256, ModelManifest)
        log.info("version %s is there already and whole", version)
    else:
        for name in [*manifest.files, MANIFEST_FILE]:
            files.put_file(folder / name, files.join(uri, name))
    return ModelVersion(workload=manifest.workload, version=version, uri=uri, manifest_sha256=sha256)


def _check_trained(trained: Trained, job: Job, uri: str) -> None:
    expected = (job.trainer.name, job.dataset.target.labels, job.max_length)
    found = (trained.trainer, trained.labels, trained.max_length)
    if found != expected:
        raise RefusedError(
            "the trained folder belongs to another workload or other parameters",
            where=uri,
            rule=f"trainer {expected[0]}, {len(expected[1])} labels in their order, max_length {expected[2]}",
            remedy="give export the spec that train had",
        )


def _check_error(error: float, uri: str) -> None:
    if error > EXPORT_TOLERANCE:
        raise RefusedError(
            f"ONNX and Keras differ by {error:.2e} in a probability",
            where=uri,
            rule=f"at most {EXPORT_TOLERANCE}",
            remedy="look for an operation that the converter changes; keep the live version meanwhile",
        )
