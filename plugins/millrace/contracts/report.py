"""Step reports: what a step did and measured."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field

from millrace.contracts.base import Contract, Sha256, Uri, former_fields
from millrace.contracts.data import Profile, StagedPartition
from millrace.contracts.errors import StepError, legible
from millrace.contracts.measurement import MeterReading
from millrace.contracts.model import ModelVersion
from millrace.contracts.reasons import ReasonCode

Legible = Annotated[str, AfterValidator(legible)]
"""A step's text, made safe to display by ``errors.legible``: control characters escaped, length limited."""

TRAINED_FOLDER = "trained"
REPLAY_FILE = "replay.jsonl"
"""TRAINED_FOLDER and REPLAY_FILE are below ``out`` in the attempt folders of train and of evaluate."""


class ErrorDetail(Contract):
    """A step's error in a report, for display: see errors.StepError."""

    type: Legible
    what: Legible
    where: Legible
    rule: Legible
    remedy: Legible
    exit_code: int

    @classmethod
    def of(cls, error: StepError) -> Self:
        """Convert a StepError to its form in a report."""
        return cls(
            type=type(error).__name__,
            what=error.what,
            where=error.where,
            rule=error.rule,
            remedy=error.remedy,
            exit_code=error.exit_code,
        )


class IngestResult(Contract):
    """Staged partitions; ``absent`` lists the days whose file has not arrived, ``absent_reasons`` the reason by day."""

    kind: Literal["ingest"] = "ingest"
    staged: tuple[StagedPartition, ...]
    absent: tuple[str, ...] = ()
    absent_reasons: dict[str, Legible] = Field(default_factory=dict)


class ExpectationOutcome(Contract):
    """Result of one expectation of the suite on one partition."""

    partition: Legible
    expectation: Legible
    column: Legible | None
    success: bool
    detail: Legible


class ValidateResult(Contract):
    """The commit with the partitions, and their profiles. The place of the Data Docs follows from run and attempt."""

    kind: Literal["validate"] = "validate"
    dataset_uri: Uri
    version: int
    published: tuple[StagedPartition, ...]
    outcomes: tuple[ExpectationOutcome, ...]
    profiles: dict[str, Profile] = Field(description="by partition (ISO date); profiles add up")

    _former: ClassVar = former_fields(docs_uri=None)


class TrainResult(Contract):
    """Trained weights in ``trained_uri``; ``losses`` has the mean loss of each epoch."""

    kind: Literal["train"] = "train"
    trained_uri: Uri
    trained_sha256: Sha256
    losses: tuple[float, ...]
    rows: int
    steps: int
    tokens: int | None = Field(description="of all epochs together, padding included")
    resumed_from_step: int | None
    thresholds: tuple[float, ...]
    validation_micro_f1: float
    rows_per_second: float


class ExportResult(Contract):
    """A model version in the store; it exists for Millrace once the ledger has its row."""

    kind: Literal["export"] = "export"
    model: ModelVersion
    export_error: float
    export_tolerance: float
    bytes: int


class LabelScore(Contract):
    """Metrics of one label on the test split."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float


class ServingCost(Contract):
    """Cost of one request at batch size 1, measured on the exported model."""

    requests: int
    p50_latency_seconds: float
    p99_latency_seconds: float
    joules_per_request: float | None
    energy_method: str | None
    peak_memory_bytes: int


class Quality(Contract):
    """Metrics of a version on a set of test rows. ``calibration_error`` is the expected calibration error, 15 bins."""

    model: ModelVersion
    rows: int
    micro_f1: float
    macro_f1: float
    calibration_error: float
    labels: tuple[LabelScore, ...]
    serving: ServingCost


class Baseline(Contract):
    """Baseline metrics on the same rows: logistic regression on TF-IDF (or raw numbers), best global threshold."""

    micro_f1: float
    threshold: float
    seconds: float


class EvaluateResult(Contract):
    """Metrics of the candidate, the live version and a baseline; ``replay`` is what canary and watch send."""

    kind: Literal["evaluate"] = "evaluate"
    candidate: Quality
    live: Quality | None
    baseline: Baseline | None
    replay_uri: Uri = Field(description="JSON Lines for canary and watch: the features of one test row per line")


Result = Annotated[
    IngestResult | ValidateResult | TrainResult | ExportResult | EvaluateResult, Field(discriminator="kind")
]


class Report(Contract):
    """Report of a step: written last, beside the outputs. "skipped" means that there was nothing to do.

    ``code`` is the reason that decisions are made by, ``reason`` its explanation for people. runs.report_claims lists
    the codes that a step may report itself. Reports from before codes existed have ``code`` None.
    """

    schema_version: Literal[1] = 1
    outcome: Literal["ok", "skipped", "failed", "interrupted"]
    reason: Legible
    code: ReasonCode | None = None
    error: ErrorDetail | None = None
    meter: MeterReading
    result: Result | None = None
