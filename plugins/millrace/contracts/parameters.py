"""What a person may change when triggering a run."""

from datetime import date
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Name


class Parameters(Contract):
    """One run's parameters, bounded; the trigger form, the CLI's --conf and the REST API all pass through here."""

    rows: int = Field(default=0, ge=0, le=1_000_000_000, description="Training rows at most; 0 takes all of them.")
    epochs: int = Field(ge=1, le=100, description="Passes over the training rows.")
    batch_size: int = Field(ge=1, le=4096, description="Rows in an optimiser step.")
    workers: int = Field(
        default=1, ge=1, le=64, description="Pods that train together, each on its share of every batch (Kubernetes)."
    )
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate of AdamW.")
    max_length: int | None = Field(default=None, ge=8, le=8192, description="Tokens of a row; longer texts are cut.")
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Same seed, same data: same losses.")
    hardware: str = Field(
        default="auto", pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="Entry of the site's hardware catalogue."
    )
    ingest_parts: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Tasks that ingest the days side by side; by the data's size when empty.",
    )
    dry_run: bool = Field(default=False, description="Stop after sizing: see the plan, train nothing.")
    partition_from: date | None = Field(default=None, description="First day; the run's own day when empty.")
    partition_to: date | None = Field(default=None, description="Last day; the run's own day when empty.")
    train: Literal["auto", "newest", "always", "never"] = Field(
        default="auto",
        description="newest: only if no newer data is there; auto: so in a backfill, otherwise always.",
    )
    start: Literal["policy", "now"] = Field(
        default="policy", description="now: training waits for no cleaner or cheaper hours, whatever the workload says."
    )
    budget: Name | None = Field(
        default=None, description="Budget that the run keeps, by the name that price-backfill --budget gave it."
    )
