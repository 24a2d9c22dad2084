"""Conversion of probabilities into Open Inference Protocol v2 responses."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from kserve.protocol.infer_type import serialize_byte_tensor
from numpy.typing import NDArray
from pydantic_core import to_json

from millrace.scoring.scorer import Scorer
from millrace_serve.refusal import RequestRefusedError
from millrace_serve.wire import PROBABILITIES, InferenceRequest

MAX_ANSWER_BYTES = 16 * 1024**2
_BYTES_OF_A_NUMBER = 16


@dataclass(frozen=True)
class Answer:
    """Response body; ``json_bytes`` is the length of its JSON part if binary tensors follow, else None."""

    body: bytes
    json_bytes: int | None = None

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the HTTP headers of this body."""
        headers = [(b"content-length", str(len(self.body)).encode())]
        if self.json_bytes is None:
            return [(b"content-type", b"application/json"), *headers]
        binary = (b"inference-header-content-length", str(self.json_bytes).encode())
        return [(b"content-type", b"application/octet-stream"), binary, *headers]


def check_size(rows: int, scorer: Scorer) -> None:
    """Raise RequestRefusedError 413 if the probabilities of ``rows`` rows make an answer of more than 16 MiB."""
    _check(rows * len(scorer.manifest.labels) * _BYTES_OF_A_NUMBER)


def answer(request: InferenceRequest, scorer: Scorer, probabilities: NDArray[Any]) -> Answer:
    """Return the requested outputs: probabilities of every label, and labels.

    ``labels`` holds for each row a JSON list of its labels with scores, the most probable first.
    Raises RequestRefusedError 413 for an answer of more than 16 MiB.
    """
    tensors: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for name, is_binary in request.outputs.items():
        if name == PROBABILITIES:
            tensor: dict[str, Any] = {"name": name, "datatype": "FP32", "shape": list(probabilities.shape)}
            data: Any = (
                probabilities.astype("<f4", copy=False).tobytes() if is_binary else probabilities.ravel().tolist()
            )
        else:
            labels = _labels(scorer, probabilities)
            tensor = {"name": name, "datatype": "BYTES", "shape": [len(labels)]}
            data = serialize_byte_tensor(np.array(labels, object)).item() if is_binary else labels
        if is_binary:
            tensors.append(tensor | {"parameters": {"binary_data_size": len(data)}})
            behind.append(data)
        else:
            tensors.append(tensor | {"data": data})
    document = {
        "id": request.id or os.urandom(16).hex(),
        "model_name": scorer.model.workload,
        "model_version": scorer.model.version,
        "outputs": tensors,
    }
    head = to_json(document)
    _check(len(head) + sum(map(len, behind)))
    return Answer(b"".join((head, *behind)), len(head)) if behind else Answer(head)


def _check(answer_bytes: int) -> None:
    if answer_bytes > MAX_ANSWER_BYTES:
        raise RequestRefusedError(413, f"the answer takes more than {MAX_ANSWER_BYTES} bytes; send fewer rows at once")


def _labels(scorer: Scorer, probabilities: NDArray[Any]) -> list[str]:
    names = scorer.manifest.labels
    total_bytes = 0
    rows = []
    for given, scores in zip(scorer.decide(probabilities), probabilities.tolist(), strict=True):
        ranked = sorted(given, key=scores.__getitem__, reverse=True)
        found = [{"label": names[index], "score": round(scores[index], 6)} for index in ranked]
        rows.append(to_json(found).decode())
        total_bytes += len(rows[-1])
        _check(total_bytes)
    return rows
