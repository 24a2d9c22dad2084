"""Records that the ledger takes and returns."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self

from millrace.contracts.data import DatasetVersion
from millrace.contracts.model import ModelVersion
from millrace.contracts.report import Quality
from millrace.ledger.database import Row


@dataclass(frozen=True)
class RunKey:
    """The key of a run and one of its repeats."""

    dag_id: str
    run_id: str
    repeat: int


def key_columns(run: RunKey | None) -> dict[str, str | int | None]:
    """Return the columns of a key; each is None without a run."""
    return asdict(run) if run else {"dag_id": None, "run_id": None, "repeat": None}


@dataclass(frozen=True)
class Actor:
    """Who makes a change: a run, or a person if ``run`` is None. A run cannot override a person."""

    name: str
    run: RunKey | None = None

    @classmethod
    def of(cls, run: RunKey) -> Self:
        """Return a run as an actor, named "DAG id / run id"."""
        return cls(f"{run.dag_id} / {run.run_id}", run)

    @property
    def is_person(self) -> bool:
        """Whether the actor is a person, not a run."""
        return self.run is None


SOMEBODY = Actor("somebody")
"""A person whose name is unknown."""


@dataclass(frozen=True)
class Decision:
    """A decision, or its refusal, as the audit records it.

    ``subject`` is what the decision is about, ``effect`` its result or the reason of the refusal. Outcome ``asked``
    marks a request to Airflow, whose own state holds the result. ``dag_id`` and ``run`` default to those of ``by``; a
    decision that is ``site_wide`` has neither. The audit keeps the first of several decisions with the same ``once``.
    ``at`` is the time of the decision, by default now.
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
    """The result of a check of the audit: number of rows, digest of the last one, and the first fault, if any.

    ``broken_at`` is the number of the first row that is missing or does not match its digest.
    """

    row_count: int
    digest: str
    broken_at: int | None = None
    wrong: str = ""


@dataclass(frozen=True)
class Budget:
    """The amount that the runs which name this budget may spend together, in ``unit``: the site's currency or kWh.

    ``predicted`` is the price of the whole backfill at its request. ``lifted_by`` approved all later runs.
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
class Spending:
    """Energy, GPU-hours and money that runs take; ``money`` is in the site's currency, None without rates."""

    kwh: float
    gpu_hours: float
    money: float | None


Scope = Literal["backfill", "team"]
"""What a budget is of: one backfill, or a team's runs that began in one month."""


@dataclass(frozen=True)
class BudgetClaim:
    """What a run is predicted to take of the budget ``name``, which is a recorded one's name or a team.

    ``limits`` are a team's, keyed by Spending's field names; a backfill's are recorded, and ``units`` has Spending's
    field of each unit that the prediction has. ``gpus`` is the training's number of GPUs. ``rates`` are money per joule
    and per second, for runs of the team at ``site`` without a plan. With ``lets_past`` the claim always holds.
    """

    scope: Scope
    name: str
    predicted: Spending
    units: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    gpus: float = 0.0
    site: str | None = None
    rates: tuple[float, float] = (0.0, 0.0)
    lets_past: bool = False


@dataclass(frozen=True)
class PowerClaim:
    """Watts that a training needs of the site ``name``, where trainings draw at most ``cap_watts`` together.

    A claim that holds does so until the training is committed, until the run ends, or for ``lasts``.
    """

    name: str
    watts: float
    cap_watts: float
    lasts: timedelta
    scope: Literal["site"] = "site"


@dataclass(frozen=True)
class Reserved:
    """Whether a claim holds, and what other runs take.

    Of a budget: their spending, the fields (``past``) in which the run exceeds it, and a backfill's budget. Of a site:
    the watts that they draw, how many wait before this run, and since when it waits.
    """

    held: bool
    spent: Spending = Spending(0.0, 0.0, None)
    past: tuple[str, ...] = ()
    budget: Budget | None = None
    drawn_watts: float = 0.0
    ahead: int = 0
    asked_at: datetime | None = None


@dataclass(frozen=True)
class LiveModel:
    """The live version. ``quality`` is from its newest evaluation; times are UTC ISO-8601 text."""

    model: ModelVersion
    dataset: DatasetVersion
    quality: Quality | None
    promoted_at: str
    run: RunKey


@dataclass(frozen=True)
class RecordedModel:
    """A model version in any state: candidate, live, retired, rejected or rolled_back."""

    model: ModelVersion
    dataset: DatasetVersion
    state: str
    quality: Quality | None
    size_bytes: int
    created_at: str
    promoted_at: str | None
    previous_version: str | None
    run: RunKey


PASSED_OVER = ("retired", "rejected", "rolled_back")
"""States of a version that neither answers requests nor waits for a verdict."""


def recorded_model(row: Row) -> RecordedModel:
    """Return a row of select_model as a record."""
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
