"""The step ``evaluate``: measure the exported candidate, the live version and a baseline on the same test rows."""

import json
import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from millrace.contracts.data import Dataset
from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import REPLAY_FILE, EvaluateResult, Quality
from millrace.contracts.run_spec import EvaluateTask, RunSpec
from millrace.energy.meter import begin_phase
from millrace.scoring.scorer import Scorer
from millrace.step.main import Stop
from millrace.storage import files
from millrace_train.baseline import fit_baseline
from millrace_train.encode import as_matrix, encode_targets
from millrace_train.job import read_job
from millrace_train.rows import Selection, read_rows, select_rows
from millrace_train.scores import Tally
from millrace_train.serving_cost import Request, measure_serving

log = logging.getLogger("millrace.train")

_REPLAY_ROWS = 200
_ROWS_AT_A_TIME = 32


def evaluate(spec: RunSpec, stop: Stop) -> EvaluateResult:
    """Evaluate on all test rows; in a run with a limit of rows, on a fixed sample of half the limit, at least 1,000.

    Raises RefusedError if the files of the candidate or the live version are not intact, so that the gate cannot pass
    by accident, and BadInputError if there are no test rows.
    """
    if not isinstance(spec.task, EvaluateTask):
        raise TypeError(spec.task.kind)
    begin_phase("load")
    task, job = spec.task, read_job(spec)
    key = job.dataset.split.key
    test = select_rows(task.dataset, "test", key, spec.parameters.test_rows)
    if not test.rows:
        raise BadInputError(
            "the test split has no rows",
            where=f"{task.dataset.uri} version {task.dataset.version}",
            rule="a model is judged on rows that it was not trained on",
            remedy="ingest rows of the test split, or set split.test_fraction",
        )
    replay = _replay_rows(select_rows(task.dataset, "test", key, _REPLAY_ROWS), job.dataset.features, spec)
    replay_uri = files.join(spec.attempt_uri, "out", REPLAY_FILE)
    files.write_bytes(replay_uri, "".join(f"{json.dumps(row)}\n" for row in replay).encode())
    judge = partial(_judge, job.dataset, test, replay, task.latency_requests, spec.hardware, stop)
    begin_phase("evaluate")
    candidate = judge(task.candidate)
    live = None if task.live is None else judge(task.live)
    baseline = None
    if job.options.baseline:
        training = select_rows(task.dataset, "train", key, spec.parameters.rows)
        stop.check("before the baseline")
        baseline = fit_baseline(training, test, job.dataset, job.trainer.takes_text)
    if baseline is not None:
        log.info("baseline: micro-F1 %.4f in %.0f s", baseline.micro_f1, baseline.seconds)
    return EvaluateResult(candidate=candidate, live=live, baseline=baseline, replay_uri=replay_uri)


def _judge(
    dataset: Dataset,
    test: Selection,
    replay: Sequence[Request],
    requests: int,
    hardware: Hardware,
    stop: Stop,
    model: ModelVersion,
) -> Quality:
    scorer = Scorer.load(model)
    _check_features(scorer, dataset, model)
    tally = score_rows(scorer, test, dataset, stop)
    serving = measure_serving(model, replay, requests, hardware)
    log.info(
        "%s: micro-F1 %.4f, macro-F1 %.4f on %d rows, p50 %.1f ms, p99 %.1f ms",
        model.version,
        tally.micro_f1(),
        tally.macro_f1(),
        tally.rows,
        serving.p50_latency_seconds * 1e3,
        serving.p99_latency_seconds * 1e3,
    )
    return Quality(
        model=model,
        rows=tally.rows,
        micro_f1=tally.micro_f1(),
        macro_f1=tally.macro_f1(),
        calibration_error=tally.calibration_error(),
        labels=tally.by_label(),
        serving=serving,
    )


def score_rows(scorer: Scorer, test: Selection, dataset: Dataset, stop: Stop) -> Tally:
    """Compute the version's quality on the rows, for the labels that the workload declares now.

    A label that the version does not know counts as never assigned; a label that only the version knows is ignored.
    """
    target = dataset.target
    tally = Tally(target.labels, target.kind == "single_label")
    features = scorer.manifest.features
    for batch, _ in read_rows(test, [*features, target.column]):
        stop.check("scoring the test split")
        targets = encode_targets(batch.column(len(features)), target, test.dataset.uri)
        truth = as_matrix(targets, len(target.labels))
        for rows in _alike(batch, len(features)):
            part = batch.take(pa.array(rows))
            columns = {name: part.column(index).to_pylist() for index, name in enumerate(features)}
            probabilities = scorer.probabilities(columns)
            given = np.zeros(probabilities.shape, np.bool_)
            for row, labels in enumerate(scorer.decide(probabilities)):
                given[row, labels] = True
            known = scorer.manifest.labels
            tally.add(
                _by_label(probabilities, known, target.labels), _by_label(given, known, target.labels), truth[rows]
            )
    return tally


def _alike(batch: pa.RecordBatch, features: int) -> Iterator[NDArray[np.int64]]:
    """Yield the batch's row indexes in groups of similar text length, which need little padding."""
    lengths = np.zeros(batch.num_rows, np.int64)
    for index in range(features):
        if pa.types.is_string(batch.schema.field(index).type):
            lengths += np.asarray([len(text or "") for text in batch.column(index).to_pylist()])
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), _ROWS_AT_A_TIME):
        yield order[start : start + _ROWS_AT_A_TIME]


def _by_label(array: NDArray[Any], known: Sequence[str], wanted: Sequence[str]) -> NDArray[Any]:
    if tuple(known) == tuple(wanted):
        return array
    moved = np.zeros((len(array), len(wanted)), array.dtype)
    for index, label in enumerate(wanted):
        if label in known:
            moved[:, index] = array[:, known.index(label)]
    return moved


def _replay_rows(selection: Selection, features: tuple[str, ...], spec: RunSpec) -> list[Request]:
    """Return the selected test rows that fit the model server's limit: as JSON they take less than half of it."""
    rows: list[Request] = []
    for batch, _ in read_rows(selection, features):
        found = [{name: _as_json(value) for name, value in row.items()} for row in batch.to_pylist()]
        rows += [row for row in found if len(json.dumps(row)) * 2 < spec.workload.serving.max_request_bytes]
    if not rows:
        raise BadInputError(
            "no test row fits into a request",
            where="workload.serving.max_request_bytes",
            rule=f"a row takes at most half of {spec.workload.serving.max_request_bytes:,} bytes",
            remedy="raise the limit",
        )
    return rows


def _as_json(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _check_features(scorer: Scorer, dataset: Dataset, model: ModelVersion) -> None:
    declared = {column.name for column in dataset.columns}
    if missing := sorted(set(scorer.manifest.features) - declared):
        raise RefusedError(
            f"the version reads columns that the data no longer has: {missing}",
            where=model.uri,
            rule="live version and candidate are judged on the same rows",
            remedy="keep the columns, or raise Dataset.generation: then the live version is not compared",
        )
