"""Open Inference Protocol tensors to feature columns, and probabilities back to tensors."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kserve import InferInput, InferOutput, InferRequest, InferResponse
from kserve.protocol.infer_type import RequestedOutput
from numpy.typing import NDArray

from millrace.contracts.model import ModelManifest
from millrace.scoring.scorer import FEATURES, Scorer
from millrace_serve.refusal import RequestRefusedError

PROBABILITIES, LABELS = "probabilities", "labels"
_FLOATS = frozenset({"FP32", "FP64"})
_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})

Columns = Mapping[str, Sequence[object]]


def inputs(manifest: ModelManifest) -> list[dict[str, Any]]:
    """The metadata of the request's tensors: one a feature; -1 stands for the number of rows."""
    datatype = "BYTES" if manifest.max_length is not None else "FP64"
    return [{"name": feature, "datatype": datatype, "shape": [-1]} for feature in manifest.features]


def outputs(manifest: ModelManifest) -> list[dict[str, Any]]:
    """The metadata of the response's tensors."""
    return [
        {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
        {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
    ]


def columns(request: InferRequest, manifest: ModelManifest, max_rows: int) -> Columns:
    """The request's values by feature, each a list of equally many rows.

    A feature is a tensor of shape [n] or [n, 1]; numbers may also come as one "features" matrix of shape
    [n, features]. Raises RequestRefusedError 400 for anything else and 413 for more than ``max_rows`` rows.
    """
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if len(tensors) != len(request.inputs):
        raise RequestRefusedError(400, "inputs: a tensor's name occurs twice")
    features = manifest.features
    if manifest.max_length is None and FEATURES not in features and set(tensors) == {FEATURES}:
        return _matrix(tensors[FEATURES], features, max_rows)
    if missing := [feature for feature in features if feature not in tensors]:
        raise RequestRefusedError(400, f"inputs: {missing} are missing; this model takes {list(features)}")
    if unknown := sorted(set(tensors) - set(features)):
        raise RequestRefusedError(400, f"inputs: {unknown} are unknown; this model takes {list(features)}")
    found = {feature: _column(tensors[feature], manifest, max_rows) for feature in features}
    if len({len(values) for values in found.values()}) != 1:
        counts = {feature: len(values) for feature, values in found.items()}
        raise RequestRefusedError(400, f"inputs: the tensors differ in their number of rows: {counts}")
    return found


def response(request: InferRequest, scorer: Scorer, probabilities: NDArray[Any]) -> InferResponse:
    """Probabilities of every label, and each row's labels with scores (a JSON list, the likeliest first)."""
    labels = scorer.manifest.labels
    rows = [
        json.dumps([{"label": labels[index], "score": round(float(row[index]), 6)} for index in _ranked(given, row)])
        for given, row in zip(scorer.decide(probabilities), probabilities, strict=True)
    ]
    tensors = [
        InferOutput(PROBABILITIES, list(probabilities.shape), "FP32", probabilities),
        InferOutput(LABELS, [len(rows)], "BYTES", rows),
    ]
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=scorer.model.workload,
        model_version=scorer.model.version,
        infer_outputs=tensors,
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=_requested(request),
    )


def _ranked(indexes: Sequence[int], row: NDArray[Any]) -> list[int]:
    return sorted(indexes, key=lambda index: -float(row[index]))


def _requested(request: InferRequest) -> list[RequestedOutput] | None:
    asked: list[RequestedOutput] = request.request_outputs or []
    if unknown := sorted({output.name for output in asked} - {PROBABILITIES, LABELS}):
        raise RequestRefusedError(400, f"outputs: {unknown} are unknown; there are {[PROBABILITIES, LABELS]}")
    return asked or None


def _column(tensor: InferInput, manifest: ModelManifest, max_rows: int) -> list[object]:
    shape = _shape(tensor, max_rows)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise RequestRefusedError(400, f"input {tensor.name!r}: shape {shape}; [rows] or [rows, 1] is expected")
    if manifest.max_length is not None and tensor.datatype != "BYTES":
        raise RequestRefusedError(400, f"input {tensor.name!r}: datatype {tensor.datatype}; BYTES (text) is expected")
    return _values(tensor, shape[0])


def _matrix(tensor: InferInput, features: Sequence[str], max_rows: int) -> Columns:
    shape = _shape(tensor, max_rows)
    width = len(features)
    if len(shape) != 2 or shape[1] != width or tensor.datatype not in _FLOATS:
        raise RequestRefusedError(
            400,
            f"input {FEATURES!r}: {tensor.datatype} of shape {shape}; FP32 or FP64 [rows, {width}] is expected",
        )
    values = _values(tensor, shape[0] * width)
    return {feature: values[index::width] for index, feature in enumerate(features)}


def _shape(tensor: InferInput, max_rows: int) -> list[int]:
    shape = list(tensor.shape)
    if not shape or any(size < 1 for size in shape):
        raise RequestRefusedError(400, f"input {tensor.name!r}: shape {shape}; at least one row is expected")
    if shape[0] > max_rows:
        raise RequestRefusedError(413, f"input {tensor.name!r}: {shape[0]} rows; at most {max_rows} are taken at once")
    return shape


def _values(tensor: InferInput, count: int) -> list[object]:
    values = list(_flat(tensor.data))
    if len(values) != count:
        raise RequestRefusedError(
            400, f"input {tensor.name!r}: {len(values)} values; shape {list(tensor.shape)} means {count}"
        )
    for position, value in enumerate(values):
        if not _fits(value, tensor.datatype):
            raise RequestRefusedError(
                400,
                f"input {tensor.name!r}, value {position}: {type(value).__name__}; {tensor.datatype} is expected",
            )
    return values


def _flat(data: object) -> Iterator[object]:
    """Values in row-major order: the protocol lets JSON nest them by dimension or not; no tensor here has over two."""
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, list):
            yield from item
        else:
            yield item


def _fits(value: object, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) if datatype in _INTEGERS else isinstance(value, int | float) and datatype in _FLOATS
