"""What the rollout orders of a model server, and what the server answers."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from millrace.contracts.base import Contract, Name
from millrace.contracts.errors import legible
from millrace.contracts.model import ModelVersion
from millrace.contracts.workload import ServingPolicy

_LARGEST_GENERATION = 2**53
TARGET_FILE = "target.json"
STATUS_FILE = "status.json"


class ServingTarget(Contract):
    """``generation`` grows with each order; the server loads both versions before it moves a request."""

    generation: int = Field(ge=1, le=_LARGEST_GENERATION)
    workload: Name
    policy: ServingPolicy
    stable: ModelVersion
    canary: ModelVersion | None = None
    canary_percent: int = Field(default=0, ge=0, le=100)


class VersionHealth(Contract):
    """One version's requests since it was last given traffic."""

    version: Name
    requests: int = 0
    errors: int = 0
    p50_latency_seconds: float | None = None
    p99_latency_seconds: float | None = None


class ServingStatus(Contract):
    """The server's own view. ``reverted`` means that it took the canary away by itself, for ``reason``.

    ``sequence`` grows with each word of one process, whatever the clock does.
    """

    generation: int = Field(ge=0, lt=_LARGEST_GENERATION)
    sequence: int = Field(default=0, ge=0)
    state: Literal["loading", "ready", "reverted", "failed"]
    reason: Annotated[str, AfterValidator(legible)] = ""
    stable: VersionHealth | None = None
    canary: VersionHealth | None = None
    pid: int
    started_at: datetime
    updated_at: datetime
    address: str = Field(max_length=300, description="for people; whoever asks the server knows where it was begun")


class Verdict(Contract):
    """A three-valued judgement with its reasons, the failed ones first."""

    outcome: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...] = Field(min_length=1)
