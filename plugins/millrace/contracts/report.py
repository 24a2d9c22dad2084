"""What a step says it did."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from millrace.contracts.base import Contract, Sha256, Uri
from millrace.contracts.data import Profile, StagedPartition
from millrace.contracts.errors import StepError, legible
from millrace.contracts.measurement import MeterReading
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode

Legible = Annotated[str, AfterValidator(legible)]
"""A text of a step's, as people may see it whoever wrote it."""

TRAINED_FOLDER = "trained"
REPLAY_FILE = "replay.jsonl"
"""Below ``out`` in the attempt of train, and of evaluate."""


class ErrorDetail(Contract):
    """A step's error, for people: see errors.StepError."""

    type: Legible
    what: Legible
    where: Legible
    rule: Legible
    remedy: Legible
    exit_code: int

    @classmethod
    def of(cls, error: StepError) -> Self:
        """The error as a report carries it."""
        return cls(
            type=type(error).__name__,
            what=error.what,
            where=error.where,
            rule=error.rule,
            remedy=error.remedy,
            exit_code=error.exit_code,
        )


class IngestResult(Contract):
    """Staged partitions; days whose file has not arrived are in ``absent``, and why, in ``absent_reasons`` by day."""

    kind: Literal["ingest"] = "ingest"
    staged: tuple[StagedPartition, ...]
    absent: tuple[str, ...] = ()
    absent_reasons: dict[str, Legible] = Field(default_factory=dict)


class ExpectationOutcome(Contract):
    """One rule of the suite on one partition."""

    partition: Legible
    expectation: Legible
    column: Legible | None
    success: bool
    detail: Legible


class ValidateResult(Contract):
    """The commit that holds the partitions, and their profiles. Where the Data Docs are is known from run and try."""

    kind: Literal["validate"] = "validate"
    dataset_uri: Uri
    version: int
    published: tuple[StagedPartition, ...]
    outcomes: tuple[ExpectationOutcome, ...]
    profiles: dict[str, Profile] = Field(description="by partition (ISO date); profiles add up")

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:  # noqa: ANN401 - whatever a report holds
        """Reports in the ledger of before named the Data Docs."""
        return (
            {name: value for name, value in given.items() if name != "docs_uri"} if isinstance(given, dict) else given
        )


class TrainResult(Contract):
    """Weights in ``trained_uri``; losses are the mean of each epoch."""

    kind: Literal["train"] = "train"
    trained_uri: Uri
    trained_sha256: Sha256
    losses: tuple[float, ...]
    rows: int
    steps: int
    tokens: int | None = Field(description="fed in all epochs, padding included")
    resumed_from_step: int | None
    thresholds: tuple[float, ...]
    validation_micro_f1: float
    rows_per_second: float


class ExportResult(Contract):
    """A model version in the store: it exists once the ledger has its row."""

    kind: Literal["export"] = "export"
    model: ModelVersion
    export_error: float
    export_tolerance: float
    bytes: int


class LabelScore(Contract):
    """One label on the test split."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


class ServingCost(Contract):
    """One request's cost at batch 1, measured on the exported model."""

    requests: int
    p50_latency_seconds: float
    p99_latency_seconds: float
    joules_per_request: float | None
    energy_method: str | None
    peak_memory_bytes: int


class Quality(Contract):
    """A version's figures on one set of test rows. ``calibration_error`` is the expected calibration error, 15 bins."""

    model: ModelVersion
    rows: int
    micro_f1: float
    macro_f1: float
    calibration_error: float
    labels: tuple[LabelScore, ...]
    serving: ServingCost


class Baseline(Contract):
    """TF-IDF (or the raw numbers) with logistic regression on the same rows, at its best global threshold."""

    micro_f1: float
    threshold: float
    seconds: float


class EvaluateResult(Contract):
    """The candidate beside the live version and a simple baseline; ``replay`` is what canary and watch send."""

    kind: Literal["evaluate"] = "evaluate"
    candidate: Quality
    live: Quality | None
    baseline: Baseline | None
    replay_uri: Uri = Field(description="JSON Lines: a test row's features a line, for canary and watch")


Result = Annotated[
    IngestResult | ValidateResult | TrainResult | ExportResult | EvaluateResult, Field(discriminator="kind")
]


class Report(Contract):
    """Written last, beside the outputs. "skipped" means that there was nothing to do, and why is in ``reason``.

    ``code`` is why, for whoever decides by it; ``reason`` explains it to people. Which codes a step may report itself,
    runs.report_claims says. A report from before there were codes has none.
    """

    schema_version: Literal[1] = 1
    outcome: Literal["ok", "skipped", "failed", "interrupted"]
    reason: Legible
    code: ReasonCode | None = None
    error: ErrorDetail | None = None
    meter: MeterReading
    result: Result | None = None
