"""Workload declarations: what to train, on which data, and how to judge and serve the models."""

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from millrace.contracts.base import Name
from millrace.contracts.data import Dataset
from millrace.contracts.declared import DeclaredContract

Option = str | int | float | bool


class Training(DeclaredContract):
    """Default training parameters of a run; the trigger form may change them within the bounds of ``Parameters``.

    ``trainer`` names a model family of the train image; ``options`` are that trainer's own options.
    """

    trainer: Name
    base_model: Name | None = None
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    max_length: int | None = Field(default=None, ge=8, description="tokens; None for workloads without text")
    options: dict[str, Option] = Field(default_factory=dict)


class GatePolicy(DeclaredContract):
    """Conditions for a candidate to go live: absolute floors, and changes against the live version on the same rows."""

    metric: Literal["micro_f1", "macro_f1"] = "micro_f1"
    quality_floor: float = Field(ge=0, le=1)
    max_quality_drop: float = Field(
        default=0.01, ge=0, description="a larger drop is inconclusive, one of more than twice this fails"
    )
    max_p99_latency_seconds: float = Field(default=1.0, gt=0)
    max_latency_increase: float = Field(default=0.25, ge=0, description="as a share of the live version's p99")
    max_memory_bytes: int = Field(default=4 * 1024**3, gt=0)
    max_joules_increase: float = Field(
        default=0.25, ge=0, description="per request; judged only if both versions were measured"
    )
    needs_energy: bool = Field(default=False, description="unknown or estimated joules make the verdict inconclusive")
    min_test_rows: int = Field(default=100, ge=1, description="with fewer, the verdict is inconclusive")


class ServingPolicy(DeclaredContract):
    """Limits of the model server, of the canary and of the watch after a rollout."""

    max_request_bytes: int = Field(default=1024**2, ge=1024, le=256 * 1024**2)
    max_rows: int = Field(default=64, ge=1, le=4096)
    max_request_seconds: float = Field(default=30, gt=0, le=600)
    canary_steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        default=(10, 50, 100), min_length=1, description="per cent of requests"
    )
    requests_per_step: int = Field(default=20, ge=1)
    watch_seconds: float = Field(default=20, gt=0)
    max_error_rate: float = Field(default=0.02, ge=0, le=1)
    max_slowdown: float = Field(
        default=3.0, ge=1, description="ratio of the new version's p99 latency to the old version's"
    )
    max_joules_increase: float = Field(
        default=0.25,
        ge=0,
        description="per request, against the old version; judged only if both versions were measured",
    )


class StartPolicy(DeclaredContract):
    """Hours that a training waits for, by the site's forecast. A run's parameter ``start`` can switch the wait off."""

    prefer: Literal["carbon", "money"]
    within_hours: float = Field(gt=0, le=168, description="from sizing to the run's end, at P90")
    least_saving: float = Field(
        default=0.02, ge=0, lt=1, description="smallest saving that is worth waiting for, as a share"
    )


class ApprovalPolicy(DeclaredContract):
    """Who may answer approval requests (gate, canary step, spending over a budget) and promote a version by hand."""

    two_people: bool = Field(
        default=False, description="the user who triggered the run may neither approve it nor promote its version"
    )


class Workload(DeclaredContract):
    """Declaration of a workload; each workload has one file in dags/."""

    name: Name
    description: str = Field(min_length=1, description="the first line is the DAG's description")
    owner: Name
    team: Name
    start: date
    schedule: str | None = Field(
        default="@daily",
        min_length=1,
        description="cron expression in UTC, or @hourly, @daily, @weekly, @monthly; None: manual runs only, no "
        "backfills; pass a timetable or an asset to build_dag",
    )
    dataset: Dataset
    training: Training
    gate: GatePolicy
    serving: ServingPolicy = ServingPolicy()
    approval: ApprovalPolicy = ApprovalPolicy()
    timing: StartPolicy | None = Field(default=None, description="None: training starts as soon as it is sized")
    step_timeout: timedelta = Field(default=timedelta(hours=6), gt=timedelta(0))
    retries: int = Field(default=3, ge=0, le=10)
