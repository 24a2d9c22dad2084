"""A workload: what to train, on which data, judged how, served how."""

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import Field

from millrace.contracts.base import Name
from millrace.contracts.data import Dataset
from millrace.contracts.declared import DeclaredContract

Option = str | int | float | bool


class Training(DeclaredContract):
    """Defaults of a run's training; the trigger form may change them within Parameters' bounds.

    ``trainer`` names a class of model that the train image knows; ``options`` are the trainer's own.
    """

    trainer: Name
    base_model: Name | None = None
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    max_length: int | None = Field(default=None, ge=8, description="tokens; None for workloads without text")
    options: dict[str, Option] = Field(default_factory=dict)


class GatePolicy(DeclaredContract):
    """When a candidate may go live. Floors are absolute; changes are against the live version on the same rows."""

    metric: Literal["micro_f1", "macro_f1"] = "micro_f1"
    quality_floor: float = Field(ge=0, le=1)
    max_quality_drop: float = Field(
        default=0.01, ge=0, description="more than twice this fails, above it is inconclusive"
    )
    max_p99_latency_seconds: float = Field(default=1.0, gt=0)
    max_latency_increase: float = Field(default=0.25, ge=0, description="as a share of the live version's p99")
    max_memory_bytes: int = Field(default=4 * 1024**3, gt=0)
    max_joules_increase: float = Field(
        default=0.25, ge=0, description="per request; judged only when both were measured"
    )
    needs_energy: bool = Field(
        default=False, description="joules that are unknown, or an estimate, make the verdict inconclusive"
    )
    min_test_rows: int = Field(default=100, ge=1, description="below it the verdict is inconclusive")


class ServingPolicy(DeclaredContract):
    """The service's limits and the watch after a switch."""

    max_request_bytes: int = Field(default=1024**2, ge=1024, le=256 * 1024**2)
    max_rows: int = Field(default=64, ge=1, le=4096)
    max_request_seconds: float = Field(default=30, gt=0, le=600)
    canary_steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        default=(10, 50, 100), min_length=1, description="per cent of requests"
    )
    requests_per_step: int = Field(default=20, ge=1)
    watch_seconds: float = Field(default=20, gt=0)
    max_error_rate: float = Field(default=0.02, ge=0, le=1)
    max_slowdown: float = Field(default=3.0, ge=1, description="p99 of the new version over the old one's")
    max_joules_increase: float = Field(
        default=0.25, ge=0, description="per request, over the old version's; judged only where both were measured"
    )


class StartPolicy(DeclaredContract):
    """Which hours a training waits for, by the site's forecast. A run's parameter ``start`` may forgo it."""

    prefer: Literal["carbon", "money"]
    within_hours: float = Field(gt=0, le=168, description="from sizing to the run's end; nine runs in ten keep it")
    least_saving: float = Field(default=0.02, ge=0, lt=1, description="share for which it is worth waiting")


class ApprovalPolicy(DeclaredContract):
    """Who may answer what a run asks (the gate, a canary's step, spending past a budget), and promote by hand."""

    two_people: bool = Field(
        default=False, description="whoever triggered the run may not approve it, nor promote its version"
    )


class Workload(DeclaredContract):
    """One file in dags/ declares one of these."""

    name: Name
    description: str = Field(min_length=1, description="its first line is the DAG's own description")
    owner: Name
    team: Name
    start: date
    schedule: str | None = Field(
        default="@daily",
        min_length=1,
        description="cron text, in UTC, or @hourly, @daily, @weekly, @monthly; None: only by hand, without backfills; "
        "a timetable or an asset goes to build_dag",
    )
    dataset: Dataset
    training: Training
    gate: GatePolicy
    serving: ServingPolicy = ServingPolicy()
    approval: ApprovalPolicy = ApprovalPolicy()
    timing: StartPolicy | None = Field(default=None, description="None: training begins as soon as it is sized")
    step_timeout: timedelta = Field(default=timedelta(hours=6), gt=timedelta(0))
    retries: int = Field(default=3, ge=0, le=10)
