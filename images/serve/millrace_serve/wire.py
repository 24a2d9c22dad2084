"""Parser of Open Inference Protocol v2 bodies (JSON, optionally with binary tensors) into feature columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from kserve.protocol.infer_type import deserialize_bytes_tensor
from kserve.utils.numpy_codec import to_np_dtype
from pydantic import BaseModel, FailFast, Field, StrictBool, StrictInt, StrictStr, ValidationError
from typing_extensions import TypeAliasType

from millrace.contracts.model import ModelManifest
from millrace.scoring.scorer import FEATURES
from millrace_serve.refusal import RequestRefusedError, shown

PROBABILITIES, LABELS = "probabilities", "labels"
MAX_TENSORS = 4096
_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_FLOATS = frozenset({"FP16", "FP32", "FP64"})
_TYPES: Mapping[str, frozenset[type]] = {
    "BYTES": frozenset({str}),
    "BOOL": frozenset({bool}),
    **dict.fromkeys(_INTEGERS, frozenset({int})),
    **dict.fromkeys(_FLOATS, frozenset({int, float})),
}

Columns = Mapping[str, Sequence[object]]


class _TensorParameters(BaseModel):
    binary_data_size: StrictInt | None = Field(default=None, ge=0)


class _Tensor(BaseModel):
    name: StrictStr
    datatype: StrictStr
    shape: list[StrictInt] = Field(max_length=8)
    parameters: _TensorParameters | None = None
    data: list[Any] | None = None


class _OutputParameters(BaseModel):
    binary_data: StrictBool | None = None


class _Output(BaseModel):
    name: StrictStr
    parameters: _OutputParameters | None = None


class _RequestParameters(BaseModel):
    binary_data_output: StrictBool = False


# stop at the first error: listing thousands of them would take longer than scoring a row
_Tensors = TypeAliasType("_Tensors", Annotated[list[_Tensor], Field(max_length=MAX_TENSORS), FailFast()])
_Outputs = TypeAliasType("_Outputs", Annotated[list[_Output], Field(max_length=MAX_TENSORS), FailFast()])


class _Request(BaseModel):
    id: StrictStr | None = Field(default=None, max_length=1024)
    parameters: _RequestParameters | None = None
    inputs: _Tensors
    outputs: _Outputs | None = None


@dataclass(frozen=True)
class InferenceRequest:
    """Parsed request that conforms to the protocol; ``outputs`` maps each requested output to whether it is binary."""

    id: str | None
    tensors: Mapping[str, _Tensor]
    outputs: Mapping[str, bool]


def parse(body: bytes, json_bytes: str | None) -> InferenceRequest:
    """Parse a body; ``json_bytes`` is the header Inference-Header-Content-Length, None if the whole body is JSON.

    Raises RequestRefusedError 400 for a body that is not an inference request, and for an output that is unknown or
    requested twice.
    """
    size = len(body) if json_bytes is None else _json_size(json_bytes, len(body))
    try:
        request = _Request.model_validate_json(body[:size])
    except ValidationError as error:
        raise _not_the_protocol(error) from error
    tensors = {tensor.name: tensor for tensor in request.inputs}
    if len(tensors) != len(request.inputs):
        raise _refused("inputs: a tensor's name occurs twice")
    _take_binary(request.inputs, memoryview(body)[size:])
    return InferenceRequest(request.id, tensors, _outputs(request))


def inputs(manifest: ModelManifest) -> list[dict[str, Any]]:
    """Return the metadata of the request's tensors, one for each feature; -1 stands for the number of rows."""
    datatype = "BYTES" if manifest.max_length is not None else "FP64"
    return [{"name": feature, "datatype": datatype, "shape": [-1]} for feature in manifest.features]


def outputs(manifest: ModelManifest) -> list[dict[str, Any]]:
    """Return the metadata of the response's tensors; -1 stands for the number of rows."""
    return [
        {"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, len(manifest.labels)]},
        {"name": LABELS, "datatype": "BYTES", "shape": [-1]},
    ]


def columns(request: InferenceRequest, manifest: ModelManifest, max_rows: int) -> Columns:
    """Return the request's values by feature: lists of equal length, one value for each row.

    Each feature is a tensor of shape [n] or [n, 1]; numeric features may also come as one tensor "features" of shape
    [n, features]. Raises RequestRefusedError 400 for any other shape, 413 for more than ``max_rows`` rows.
    """
    tensors, features = request.tensors, manifest.features
    if manifest.max_length is None and FEATURES not in features and set(tensors) == {FEATURES}:
        return _matrix(tensors[FEATURES], features, max_rows)
    if missing := [feature for feature in features if feature not in tensors]:
        raise _refused(f"inputs: {shown(missing)} are missing; this model takes {shown(list(features))}")
    if unknown := sorted(set(tensors) - set(features)):
        raise _refused(f"inputs: {shown(unknown)} are unknown; this model takes {shown(list(features))}")
    found = {feature: _column(tensors[feature], manifest, max_rows) for feature in features}
    if len({len(values) for values in found.values()}) != 1:
        counts = {feature: len(values) for feature, values in found.items()}
        raise _refused(f"inputs: the tensors differ in their number of rows: {shown(counts)}")
    return found


def _refused(message: str) -> RequestRefusedError:
    return RequestRefusedError(400, message)


def _json_size(header: str, body_bytes: int) -> int:
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > body_bytes:
        raise _refused(f"Inference-Header-Content-Length is no number of 0 to {body_bytes} bytes")
    return int(header)


def _not_the_protocol(error: ValidationError) -> RequestRefusedError:
    """Return an error with the first three violations of the protocol, without the values that pydantic would quote."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    places = [".".join(str(part)[:100] for part in each["loc"][:6]) + ": " + each["msg"][:200] for each in found[:3]]
    return _refused("no inference request of the Open Inference Protocol v2: " + "; ".join(places))


def _outputs(request: _Request) -> Mapping[str, bool]:
    default = request.parameters is not None and request.parameters.binary_data_output
    if not request.outputs:
        return {PROBABILITIES: default, LABELS: default}
    wanted: dict[str, bool] = {}
    for output in request.outputs:
        if output.name not in {PROBABILITIES, LABELS}:
            raise _refused(f"outputs: {shown(output.name)} is unknown; there are {[PROBABILITIES, LABELS]}")
        if output.name in wanted:
            raise _refused(f"outputs: {output.name!r} occurs twice")
        given = output.parameters.binary_data if output.parameters else None
        wanted[output.name] = default if given is None else given
    return wanted


def _take_binary(tensors: Sequence[_Tensor], rest: memoryview) -> None:
    """Assign the bytes after the JSON to the tensors with a ``binary_data_size``, in order."""
    start = 0
    for tensor in tensors:
        if tensor.data is not None:
            continue
        size = tensor.parameters.binary_data_size if tensor.parameters else None
        if size is None:
            raise _refused(f"input {shown(tensor.name)}: data: Field required, or binary_data_size")
        if start + size > len(rest):
            raise _refused(f"input {shown(tensor.name)}: {size} bytes of data are not there")
        tensor.data = _from_binary(tensor, bytes(rest[start : start + size]))
        start += size
    if start != len(rest):
        raise _refused(f"{len(rest) - start} bytes behind the JSON belong to no input")


def _from_binary(tensor: _Tensor, data: bytes) -> list[Any]:
    if tensor.datatype == "BYTES":
        try:
            return [value.decode() for value in deserialize_bytes_tensor(data)]
        except UnicodeDecodeError as error:
            raise _refused(f"input {shown(tensor.name)}: a value is not UTF-8") from error
        except Exception as error:  # the codec's error for a length beyond the end of the data
            raise _refused(f"input {shown(tensor.name)}: no BYTES, each behind its length in four bytes") from error
    dtype = to_np_dtype(tensor.datatype)
    if dtype is None or len(data) % np.dtype(dtype).itemsize:
        raise _refused(f"input {shown(tensor.name)}: {len(data)} bytes are no values of {shown(tensor.datatype)}")
    return list(np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).tolist())


def _column(tensor: _Tensor, manifest: ModelManifest, max_rows: int) -> list[object]:
    shape = _shape(tensor, max_rows)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise _refused(f"input {tensor.name!r}: shape {shown(shape)}; [rows] or [rows, 1] is expected")
    if manifest.max_length is not None and tensor.datatype != "BYTES":
        raise _refused(f"input {tensor.name!r}: datatype {shown(tensor.datatype)}; BYTES (text) is expected")
    return _values(tensor, shape[0])


def _matrix(tensor: _Tensor, features: Sequence[str], max_rows: int) -> Columns:
    shape = _shape(tensor, max_rows)
    width = len(features)
    if len(shape) != 2 or shape[1] != width or tensor.datatype not in _FLOATS:
        raise _refused(
            f"input {FEATURES!r}: {shown(tensor.datatype)} of shape {shown(shape)}; "
            f"FP16, FP32 or FP64 [rows, {width}] is expected"
        )
    values = _values(tensor, shape[0] * width)
    return {feature: values[index::width] for index, feature in enumerate(features)}


def _shape(tensor: _Tensor, max_rows: int) -> list[int]:
    shape = tensor.shape
    if not shape or any(size < 1 for size in shape):
        raise _refused(f"input {tensor.name!r}: shape {shown(shape)}; at least one row is expected")
    if shape[0] > max_rows:
        raise RequestRefusedError(413, f"input {tensor.name!r}: {shape[0]} rows; at most {max_rows} are taken at once")
    return shape


def _values(tensor: _Tensor, count: int) -> list[object]:
    values = list(_flat(tensor.data or []))
    if len(values) != count:
        raise _refused(f"input {tensor.name!r}: {len(values)} values; shape {shown(tensor.shape)} means {count}")
    allowed = _TYPES.get(tensor.datatype, frozenset())
    if not {type(value) for value in values} <= allowed:
        position, value = next((at, value) for at, value in enumerate(values) if type(value) not in allowed)
        raise _refused(
            f"input {tensor.name!r}, value {position}: {type(value).__name__}; {shown(tensor.datatype)} is expected"
        )
    return values


def _flat(data: Sequence[object]) -> Iterator[object]:
    """Yield values in row-major order from flat or nested JSON (the protocol allows both); at most two dimensions."""
    for item in data:
        if isinstance(item, list):
            yield from item
        else:
            yield item
