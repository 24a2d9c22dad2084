"""Scorer: verifies and loads a model version, and runs it on ONNX Runtime."""

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.model import MANIFEST_FILE, ModelManifest, ModelVersion
from millrace.scoring.tokens import TOKENIZER_FILE, TextTokenizer, joined_texts
from millrace.storage import files, folders

MODEL_FILE = "model.onnx"
TOKEN_IDS, PADDING_MASK, FEATURES = "token_ids", "padding_mask", "features"

Probabilities: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Prepared rows, which can be scored in any batches: token ids of each text, or a matrix of numbers."""

    given: Sequence[Sequence[int]] | NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.given)

    def tokens(self) -> list[int]:
        """Return the number of token ids of each row; 1 for a row of numbers."""
        return [1] * len(self) if isinstance(self.given, np.ndarray) else [len(ids) for ids in self.given]

    def take(self, rows: Sequence[int]) -> "Rows":
        """Return the rows at these indexes, in this order."""
        if isinstance(self.given, np.ndarray):
            return Rows(self.given[list(rows)])
        return Rows([self.given[row] for row in rows])

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Concatenate the rows of all parts."""
        if len(parts) == 1:
            return parts[0]
        arrays = [part.given for part in parts if isinstance(part.given, np.ndarray)]
        return cls(np.concatenate(arrays) if arrays else [ids for part in parts for ids in part.given])


class Scorer:
    """One loaded model version; thread-safe."""

    def __init__(
        self,
        model: ModelVersion,
        manifest: ModelManifest,
        session: ort.InferenceSession,
        tokenizer: TextTokenizer | None,
    ) -> None:
        self.model = model
        self.manifest = manifest
        self._session = session
        self._tokenizer = tokenizer
        self._thresholds: list[float] = np.asarray(manifest.thresholds, dtype=np.float32).tolist()
        self._output: str = session.get_outputs()[0].name

    @classmethod
    def load(cls, model: ModelVersion, threads: int = 0, cache: Path | None = None) -> "Scorer":
        """Verify every byte of the version's folder against the recorded digest, then load it.

        ``threads`` is the number of cores per request; 0 uses all that this process may run on. A folder that is not
        on local disk is copied below ``cache`` (None: a temporary folder) and verified again there. Raises
        RefusedError if a digest differs, a file is missing or the graph's inputs do not match the manifest.
        """
        manifest = folders.open_sealed(model.uri, model.manifest_sha256, ModelManifest)
        _check_manifest(model, manifest)
        with tempfile.TemporaryDirectory() as scratch:
            into = (cache or Path(scratch)) / model.manifest_sha256
            folder = folders.fetch(model.uri, [MANIFEST_FILE, *manifest.files], into)
            if folder == into:
                folders.open_sealed(files.to_uri(folder), model.manifest_sha256, ModelManifest)
            session = _session(folder / MODEL_FILE, model, threads)
            tokenizer = TextTokenizer.from_file(folder / TOKENIZER_FILE) if manifest.max_length is not None else None
        _check_graph(model, manifest, session)
        return cls(model, manifest, session, tokenizer)

    def probabilities(self, columns: Mapping[str, Sequence[object]]) -> Probabilities:
        """Return the probability of each label, float32 [rows, labels]; ``columns`` has every feature's values.

        All rows are scored in one call; the same as ``prepare`` followed by ``score``.
        """
        return self.score(self.prepare(columns))

    def prepare(self, columns: Mapping[str, Sequence[object]]) -> Rows:
        """Return the rows of ``columns``, tokenised; columns that are not features are ignored.

        Raises BadInputError, naming feature and row, if a value is not valid for its feature.
        """
        if _count_rows(columns, self.manifest.features) == 0:
            return Rows(())
        if self._tokenizer is None or self.manifest.max_length is None:
            return Rows(_numbers(columns, self.manifest.features))
        return Rows(self._tokenizer.encode(joined_texts(columns, self.manifest.features), self.manifest.max_length))

    def score(self, rows: Rows, run: ort.RunOptions | None = None) -> Probabilities:
        """Return the probability of each label, all rows in one call, texts padded to the longest one.

        Setting ``run.terminate`` from another thread ends the call between two nodes of the graph. Raises RefusedError
        if the model's output has the wrong shape or is not finite; ONNX Runtime's own errors are passed on.
        """
        if not len(rows):
            return np.empty((0, len(self.manifest.labels)), dtype=np.float32)
        found = self._session.run([self._output], self._feed(rows), run)[0]
        probabilities: Probabilities = np.asarray(found, dtype=np.float32)
        expected = (len(rows), len(self.manifest.labels))
        if probabilities.shape != expected or not math.isfinite(np.vdot(probabilities, probabilities)):
            raise RefusedError(
                f"the model answered with shape {probabilities.shape}, or with numbers that are not finite",
                where=self.model.uri,
                rule=f"finite probabilities of shape {expected}",
                remedy="serve another version; train this one again",
            )
        return probabilities

    def decide(self, probabilities: Probabilities) -> list[list[int]]:
        """Return each row's labels as indexes: all that reach their threshold; for a single label the most probable."""
        # Python floats: right after the model run, each NumPy function first waits for its code to load from memory
        rows: list[list[float]] = probabilities.tolist()
        if self.manifest.target_kind == "single_label":
            return [[row.index(max(row))] for row in rows]
        thresholds = self._thresholds
        return [[index for index, score in enumerate(row) if score >= thresholds[index]] for row in rows]

    def _feed(self, rows: Rows) -> dict[str, NDArray[Any]]:
        if isinstance(rows.given, np.ndarray) or self._tokenizer is None:
            return {FEATURES: np.asarray(rows.given, dtype=np.float32)}
        return pad(rows.given, self._tokenizer.pad_id)


def pad(rows: Sequence[Sequence[int]], pad_id: int, length: int | None = None) -> dict[str, NDArray[Any]]:
    """Return ``token_ids`` int32 and ``padding_mask`` bool, both [rows, tokens]; width: longest row or ``length``."""
    width = length or max(len(ids) for ids in rows)
    if len(rows) == 1 and len(rows[0]) == width:  # no padding needed
        return {TOKEN_IDS: np.array(rows, dtype=np.int32), PADDING_MASK: np.ones((1, width), dtype=np.bool_)}
    token_ids = np.full((len(rows), width), pad_id, dtype=np.int32)
    mask = np.zeros((len(rows), width), dtype=np.bool_)
    for row, ids in enumerate(rows):
        token_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = True
    return {TOKEN_IDS: token_ids, PADDING_MASK: mask}


def _count_rows(columns: Mapping[str, Sequence[object]], features: Sequence[str]) -> int:
    missing = [feature for feature in features if feature not in columns]
    counts = {feature: len(columns[feature]) for feature in features if feature in columns}
    if missing or len(set(counts.values())) != 1:
        raise BadInputError(
            f"features are missing: {missing}" if missing else f"features differ in their number of rows: {counts}",
            where="the model's input",
            rule=f"a value of each of {list(features)} for every row",
            remedy="send all features with equally many rows",
        )
    return next(iter(counts.values()))


def _numbers(columns: Mapping[str, Sequence[object]], features: Sequence[str]) -> NDArray[np.float32]:
    matrix = np.empty((len(columns[features[0]]), len(features)), dtype=np.float32)
    for index, feature in enumerate(features):
        values = columns[feature]
        for row, value in enumerate(values):
            if isinstance(value, str | bytes) or value is None:
                raise _not_a_number(feature, row, type(value).__name__)
        try:
            with np.errstate(over="ignore"):
                matrix[:, index] = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise _not_a_number(feature, None, type(error).__name__) from error
        if (wrong := np.flatnonzero(~np.isfinite(matrix[:, index]))).size:
            raise _not_a_number(feature, int(wrong[0]), "NaN, an infinity, or beyond float32")
    return matrix


def _not_a_number(feature: str, row: int | None, found: str) -> BadInputError:
    return BadInputError(
        f"{found} where a number belongs",
        where=f"feature {feature!r}" if row is None else f"feature {feature!r}, row {row}",
        rule="a feature of this model is a finite number, and complete",
        remedy="send numbers",
    )


def _session(path: Path, model: ModelVersion, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    # With an explicit number, ONNX Runtime does not pin threads to cores that a container may not use.
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    # A thread spins for three microseconds, to be ready for the next node of the graph; not longer, and never between
    # two calls: spinning takes a core from other calls and workloads.
    options.add_session_config_entry("session.intra_op.spin_duration_us", "3")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # its log lines contain values of the row; the exception has enough detail
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common base class
        raise RefusedError(
            f"ONNX Runtime cannot load it: {error}",
            where=f"{model.uri}/{MODEL_FILE}",
            rule=f"a model that ONNX Runtime {ort.__version__} reads",
            remedy="export the model again",
        ) from error


def _check_manifest(model: ModelVersion, manifest: ModelManifest) -> None:
    needed = {MODEL_FILE} if manifest.max_length is None else {MODEL_FILE, TOKENIZER_FILE}
    if missing := sorted(needed - set(manifest.files)):
        raise _mismatch(model, f"the manifest does not cover {missing}", f"digests of {sorted(needed)}")
    if manifest.workload != model.workload:
        raise _mismatch(model, f"it belongs to workload {manifest.workload!r}", f"workload {model.workload!r}")
    if len(manifest.thresholds) != len(manifest.labels):
        raise _mismatch(
            model, f"{len(manifest.thresholds)} thresholds", f"one for each of {len(manifest.labels)} labels"
        )


def _check_graph(model: ModelVersion, manifest: ModelManifest, session: ort.InferenceSession) -> None:
    found = {(given.name, given.type) for given in session.get_inputs()}
    text = {(TOKEN_IDS, "tensor(int32)"), (PADDING_MASK, "tensor(bool)")}
    expected = {(FEATURES, "tensor(float)")} if manifest.max_length is None else text
    if found != expected:
        raise _mismatch(model, f"the graph takes {sorted(found)}", f"inputs {sorted(expected)}")


def _mismatch(model: ModelVersion, what: str, rule: str) -> RefusedError:
    return RefusedError(what, where=f"{model.uri}/{MANIFEST_FILE}", rule=rule, remedy="export the model again")
