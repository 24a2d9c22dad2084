"""Traces of models whose size no model family gives: the request to the train image, and its result."""

import hashlib
import json
from typing import Any

from pydantic import Field

from millrace.contracts.base import Contract, Name, Sha256
from millrace.contracts.workload import Option


class TraceRequest(Contract):
    """Trace request: all inputs of a trainer's model except weights; equal requests have equal digests."""

    trainer: Name
    options: dict[str, Option]
    labels: int = Field(ge=1)
    single_label: bool
    features: int = Field(ge=1)
    base_config: dict[str, Any] | None = Field(description="the base model's config.json")
    lengths: tuple[int, ...] = Field(description="padded lengths in tokens; (0,) for rows of numbers")

    @property
    def sha256(self) -> str:
        """Digest of the canonical JSON: sorted keys, no spaces."""
        document = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(document.encode()).hexdigest()


class TracedLength(Contract):
    """Trace of one row padded to a length: FLOPs of the matrix products, and bytes kept for the backward pass."""

    length: int = Field(ge=0)
    forward_flops: float = Field(ge=0)
    layers: dict[str, tuple[float, float]] = Field(
        description="forward and backward FLOPs of training, by the layer's path"
    )
    kept_bytes: float = Field(ge=0)


class TracedModel(Contract):
    """Result of a trace; ``request_sha256`` is the digest of the request."""

    request_sha256: Sha256
    parameters: int = Field(ge=0)
    lengths: tuple[TracedLength, ...]
