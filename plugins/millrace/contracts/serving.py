"""Serving targets, which the rollout writes for a model server, and the status that the server reports."""

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
    """Serving target: the versions that a model server loads, and the canary's share of requests.

    ``generation`` grows with each target; the server loads both versions before it routes a request by the target.
    """

    generation: int = Field(ge=1, le=_LARGEST_GENERATION)
    workload: Name
    policy: ServingPolicy
    stable: ModelVersion
    canary: ModelVersion | None = None
    canary_percent: int = Field(default=0, ge=0, le=100)


class VersionHealth(Contract):
    """Request metrics of one version since it last began to receive traffic."""

    version: Name
    requests: int = 0
    errors: int = 0
    p50_latency_seconds: float | None = None
    p99_latency_seconds: float | None = None


class ServingStatus(Contract):
    """Status of a model server. ``reverted`` means that it removed the canary by itself, because of ``reason``.

    ``sequence`` grows with each status of one process, independent of the clock.
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
    address: str = Field(
        max_length=300, description="for display; clients take the address from where they started the server"
    )


class Verdict(Contract):
    """A three-valued verdict with its reasons, failed checks first."""

    outcome: Literal["pass", "fail", "inconclusive"]
    reasons: tuple[str, ...] = Field(min_length=1)
