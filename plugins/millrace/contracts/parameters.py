"""Run parameters: what a user may change when triggering a run."""

from datetime import date
from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract, Name

_VALIDATION_ROWS = 50_000
_SAMPLE_ROWS = 1_000  # of a run with a limit of rows, at least


class Parameters(Contract):
    """Parameters of one run, with bounds; the trigger form, the CLI's --conf and the REST API are validated by them."""

    rows: int = Field(default=0, ge=0, le=1_000_000_000, description="Maximum number of training rows; 0 takes all.")
    epochs: int = Field(ge=1, le=100, description="Passes over the training rows.")
    batch_size: int = Field(ge=1, le=4096, description="Rows per optimiser step.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Pods of the worker group, each trains on its share of every batch (Kubernetes).",
    )
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate of AdamW.")
    max_length: int | None = Field(default=None, ge=8, le=8192, description="Tokens per row; longer texts are cut.")
    seed: int = Field(default=7, ge=0, le=2**31 - 1, description="Equal seeds and data give equal losses.")
    hardware: str = Field(
        default="auto", pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$", description="Entry of the site's hardware catalogue."
    )
    ingest_parts: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Parallel ingest tasks; chosen by the data's size when empty.",
    )
    dry_run: bool = Field(default=False, description="Stop after sizing: make the plan, do not train.")
    partition_from: date | None = Field(default=None, description="First partition; the run's own day when empty.")
    partition_to: date | None = Field(default=None, description="Last partition; the run's own day when empty.")
    train: Literal["auto", "newest", "always", "never"] = Field(
        default="auto",
        description="newest: only if no newer data exists; auto: newest in a backfill, otherwise always.",
    )
    start: Literal["policy", "now"] = Field(
        default="policy",
        description="now: training does not wait for cleaner or cheaper hours, even if the workload does.",
    )
    budget: Name | None = Field(
        default=None, description="Name of the budget that limits the run, as given to price-backfill --budget."
    )

    @property
    def validation_rows(self) -> int:
        """Maximum number of validation rows: enough to choose thresholds; their probabilities fit into memory."""
        wanted = max(_SAMPLE_ROWS, self.rows // 4) if self.rows else _VALIDATION_ROWS
        return min(wanted, _VALIDATION_ROWS)

    @property
    def test_rows(self) -> int:
        """Maximum number of test rows in a run with a limit of rows; 0 takes all."""
        return max(_SAMPLE_ROWS, self.rows // 2) if self.rows else 0
