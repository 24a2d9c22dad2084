"""What the ledger answers with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from millrace.contracts.data import DatasetVersion
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import Quality
from millrace.ledger.database import Row


@dataclass(frozen=True)
class RunKey:
    """One run and which repeat of it."""

    dag_id: str
    run_id: str
    repeat: int


@dataclass(frozen=True)
class Actor:
    """Who changes what is live: a run, or a person where there is no ``run``. A run overrules no person."""

    name: str
    run: RunKey | None = None

    @classmethod
    def of(cls, run: RunKey) -> Self:
        """A run, by the name that people know it by."""
        return cls(f"{run.dag_id} / {run.run_id}", run)

    @property
    def is_person(self) -> bool:
        """Whether no run acts here."""
        return self.run is None


SOMEBODY = Actor("somebody")
"""A person whose name nobody gave."""


@dataclass(frozen=True)
class Decision:
    """What somebody decided, or was refused, as the audit keeps it.

    ``subject`` is what it is about, ``effect`` what came of it or why it was refused. ``asked`` is what Airflow was
    asked for: its own state says what came of that. ``dag_id`` and ``run`` are ``by``'s own where they are not given;
    a decision that is ``site_wide`` has neither. Of two with one ``once`` the second is not kept. ``at`` is when it was
    taken, now where it is not given.
    """

    action: str
    subject: str
    by: Actor
    reason: str
    effect: str = ""
    outcome: Literal["done", "refused", "asked"] = "done"
    dag_id: str | None = None
    run: RunKey | None = None
    once: str | None = None
    at: datetime | None = None
    site_wide: bool = False


@dataclass(frozen=True)
class Chain:
    """The audit's rows as they were checked: how many, the last one's digest, and what is wrong first, if anything.

    ``broken_at`` is the number of the first row that is not as it was written, or that is missing.
    """

    row_count: int
    digest: str
    broken_at: int | None = None
    wrong: str = ""


@dataclass(frozen=True)
class Budget:
    """What the runs that name it may spend together, in ``unit``: the site's currency or kWh.

    ``predicted`` is the whole backfill's price when it was asked for. ``lifted_by`` approved all that is still to come.
    """

    name: str
    dag_id: str
    amount: float
    unit: str
    predicted: float
    per_joule: float
    per_second: float
    lifted_by: str | None = None


@dataclass(frozen=True)
class PowerClaim:
    """Whether a run has its watts; if not, since when it asks, what others draw, and how many asked before it."""

    taken: bool
    asked_at: datetime
    drawn_watts: float
    ahead: int


@dataclass(frozen=True)
class Spending:
    """What runs take; ``money`` is in the site's currency, None where that has no rates."""

    kwh: float
    gpu_hours: float
    money: float | None


@dataclass(frozen=True)
class LiveModel:
    """The version that answers requests. ``quality`` is of its newest evaluation; times are UTC ISO-8601 text."""

    model: ModelVersion
    dataset: DatasetVersion
    quality: Quality | None
    promoted_at: str
    run: RunKey


@dataclass(frozen=True)
class RecordedModel:
    """A model version that exists, whatever its state: candidate, live, retired, rejected or rolled_back."""

    model: ModelVersion
    dataset: DatasetVersion
    state: str
    quality: Quality | None
    size_bytes: int
    created_at: str
    promoted_at: str | None
    previous_version: str | None
    run: RunKey


def recorded_model(row: Row) -> RecordedModel:
    """A row of select_model."""
    return RecordedModel(
        model=ModelVersion(
            workload=row["workload"],
            version=row["version"],
            uri=row["uri"],
            manifest_sha256=row["manifest_sha256"],
        ),
        dataset=DatasetVersion(
            workload=row["workload"],
            uri=row["dataset_uri"],
            version=row["dataset_version"],
            until=row["dataset_until"],
            generation=row["dataset_generation"],
        ),
        state=row["state"],
        quality=None if row["quality"] is None else Quality.model_validate_json(row["quality"]),
        size_bytes=row["size_bytes"],
        created_at=row["created_at"],
        promoted_at=row["promoted_at"],
        previous_version=row["previous_version"],
        run=RunKey(row["dag_id"], row["run_id"], row["repeat"]),
    )
