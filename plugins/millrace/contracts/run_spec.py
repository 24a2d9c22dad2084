"""What a step is asked to do."""

import hashlib
from typing import Annotated, Literal

from pydantic import Field

from millrace.contracts.base import Contract, Uri
from millrace.contracts.data import DatasetVersion, Profile, StagedPartition, Window
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import BaseModelRef, ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload


class TryKey(Contract):
    """One try of one task: the key under which everything measured is kept."""

    dag_id: str
    run_id: str
    repeat: int = Field(ge=0, description="how often this run was done again after it had ended")
    task_id: str
    map_index: int = -1
    try_number: int = Field(ge=1)


class IngestTask(Contract):
    """Read the window's arrivals into staging, one Parquet file a partition."""

    kind: Literal["ingest"] = "ingest"
    window: Window


class ValidateTask(Contract):
    """Check staged partitions; when all pass, commit them to the Delta table and profile them.

    Where the workload has each row once in its whole data set, rows of earlier partitions are left out before that.
    """

    kind: Literal["validate"] = "validate"
    staged: tuple[StagedPartition, ...]
    dataset_uri: Uri
    published: DatasetVersion | None = Field(
        default=None, description="what rows must not be in, before their day; None where that does not matter"
    )
    engine: Literal["arrow", "spark"] = Field(default="arrow", description="this process alone, or Spark")
    live_profile: Profile | None = Field(description="of the data that the live model was trained on")
    base_model: BaseModelRef | None = Field(description="its tokenizer counts tokens for the profile")


class TrainTask(Contract):
    """Fine-tune on a published version; checkpoints go to ``state_uri`` and outlive a try."""

    kind: Literal["train"] = "train"
    dataset: DatasetVersion
    base_model: BaseModelRef | None
    rows_at_once: int | None = Field(
        default=None, ge=1, description="of a batch, as the device's memory holds them; None feeds it whole"
    )

    def fed_at_once(self, batch_size: int) -> int:
        """Rows of a batch that the device is given at once."""
        return min(self.rows_at_once or batch_size, batch_size)


class ExportTask(Contract):
    """Turn trained weights into ONNX with a manifest, equal to Keras within a tolerance."""

    kind: Literal["export"] = "export"
    dataset: DatasetVersion
    base_model: BaseModelRef | None
    trained_uri: Uri = Field(description="the folder that train left, with its manifest")
    trained_sha256: str = Field(description="of that manifest")
    models_uri: Uri = Field(description="the version is written to a folder below this one")


class EvaluateTask(Contract):
    """Judge the exported candidate on the test split, and the live version on the same rows."""

    kind: Literal["evaluate"] = "evaluate"
    dataset: DatasetVersion
    candidate: ModelVersion
    live: ModelVersion | None
    latency_requests: int = Field(default=200, ge=1)


class ServeTask(Contract):
    """Serve a workload's versions; ``target_uri`` names them, ``status_uri`` is where the server answers.

    Replicas of one version have no status to share: None. ``secrets_folder`` is where a secret is mounted, with tls.crt
    and tls.key where ``tls`` is on, and the bearer token of every request for a model where ``token`` is.
    """

    kind: Literal["serve"] = "serve"
    target_uri: Uri
    status_uri: Uri | None
    secrets_folder: str | None = None
    tls: bool = False
    token: bool = False
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


Task = Annotated[
    IngestTask | ValidateTask | TrainTask | ExportTask | EvaluateTask | ServeTask, Field(discriminator="kind")
]


class Gang(Contract):
    """One of several workers that train one model together; worker 0 leads: it keeps checkpoints and the result."""

    workers: int = Field(ge=2)
    index: int = Field(ge=0)
    coordinator: str = Field(description="host:port that worker 0 listens on and every worker reaches")
    join_seconds: int = Field(default=300, ge=1, description="that another worker's pod may start after this one's")


class RunSpec(Contract):
    """A step's whole order: an image reads nothing else but the standard credential variables.

    ``attempt_uri`` is this try's own folder: ``report.json`` and ``meter.json`` go there, outputs below ``out/``.
    ``state_uri`` is shared by the tries of this step of this run.
    """

    schema_version: Literal[1] = 1
    key: TryKey
    workload: Workload
    parameters: Parameters
    hardware: Hardware
    attempt_uri: Uri
    state_uri: Uri
    task: Task
    gang: Gang | None = None

    @property
    def document(self) -> bytes:
        """The order as its file holds it."""
        return self.model_dump_json(indent=1).encode()

    @property
    def sha256(self) -> str:
        """Of that file: who gave the order knows by it whether it is still there."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def variant(self) -> str:
        """Of the image that has the step: "" or "spark"."""
        return "spark" if isinstance(self.task, ValidateTask) and self.task.engine == "spark" else ""

    @property
    def workers(self) -> int:
        """Processes that do this step together; only training takes several."""
        return self.parameters.workers if self.task.kind == "train" else 1


REPORT_FILE = "report.json"
METER_FILE = "meter.json"
SPEC_FILE = "spec.json"
WORKERS_FOLDER = "workers"
"""Below a gang's attempt: worker N's order is N.json, and its own attempt N; the leader's attempt is the gang's."""
