"""Step specs: the complete input of a step."""

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from millrace.contracts.base import Contract, Uri, former_fields
from millrace.contracts.data import DatasetVersion, Profile, StagedPartition, Window
from millrace.contracts.measurement import Hardware
from millrace.contracts.model import BaseModelRef, ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.workload import Workload


class TryKey(Contract):
    """Key of one attempt of one task; every measurement is stored under it."""

    dag_id: str
    run_id: str
    repeat: int = Field(ge=0, description="how often this run was cleared and ran again after it had ended")
    task_id: str
    map_index: int = -1
    try_number: int = Field(ge=1)


class IngestTask(Contract):
    """Read the window's arrivals into staging, one Parquet file a partition."""

    kind: Literal["ingest"] = "ingest"
    window: Window


class ValidateTask(Contract):
    """Check staged partitions; when all pass, commit them to the Delta table and profile them.

    With deduplication over the whole dataset, rows that earlier partitions have are removed before the checks.
    """

    kind: Literal["validate"] = "validate"
    staged: tuple[StagedPartition, ...]
    dataset_uri: Uri
    published: DatasetVersion | None = Field(
        default=None,
        description="version whose earlier rows count as duplicates; None unless deduplicating over the dataset",
    )
    engine: Literal["arrow", "spark"] = Field(default="arrow", description="this process, or Spark")
    live_profile: Profile | None = Field(description="profile of the live model's training data")
    base_model: BaseModelRef | None = Field(description="its tokenizer counts the profile's tokens")

    _former: ClassVar = former_fields(earlier_profile=None)


class TrainTask(Contract):
    """Fine-tune on a published version; checkpoints go to ``state_uri`` and outlive an attempt."""

    kind: Literal["train"] = "train"
    dataset: DatasetVersion
    base_model: BaseModelRef | None
    rows_at_once: int | None = Field(
        default=None, ge=1, description="rows of a micro-batch that fits the device's memory; None: the whole batch"
    )

    def fed_at_once(self, batch_size: int) -> int:
        """Return the micro-batch size: rows of a batch that the device processes at once."""
        return min(self.rows_at_once or batch_size, batch_size)


class ExportTask(Contract):
    """Convert trained weights to ONNX with a manifest; probabilities equal those of Keras within a tolerance."""

    kind: Literal["export"] = "export"
    dataset: DatasetVersion
    base_model: BaseModelRef | None
    trained_uri: Uri = Field(description="output folder of train, with its manifest")
    trained_sha256: str = Field(description="digest of that manifest")
    models_uri: Uri = Field(description="parent folder of the model version")


class EvaluateTask(Contract):
    """Evaluate the exported candidate on the test split, and the live version on the same rows."""

    kind: Literal["evaluate"] = "evaluate"
    dataset: DatasetVersion
    candidate: ModelVersion
    live: ModelVersion | None
    latency_requests: int = Field(default=200, ge=1)


class ServeTask(Contract):
    """Serve a workload's versions: ``target_uri`` is the serving target, ``status_uri`` is where the server reports.

    ``status_uri`` is None for replicas, which have no common status. ``secrets_folder`` is the mount of a secret with
    tls.crt and tls.key if ``tls``, and with the bearer token that model requests must carry if ``token``.
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


class WorkerGroup(Contract):
    """One worker of a worker group, which trains one model; worker 0 leads and keeps checkpoints and the result."""

    workers: int = Field(ge=2)
    index: int = Field(ge=0)
    coordinator: str = Field(description="host:port on which worker 0 listens for the other workers")
    join_seconds: int = Field(default=300, ge=1, description="longest delay of another worker's pod after this one")


class RunSpec(Contract):
    """Step spec: all that an image reads, apart from the standard credential variables.

    ``attempt_uri`` is the folder of this attempt: ``report.json`` and ``meter.json`` go there, outputs below ``out/``.
    ``state_uri`` is shared by the attempts of this step of this run.
    """

    schema_version: Literal[1] = 1
    key: TryKey
    workload: Workload
    parameters: Parameters
    hardware: Hardware
    attempt_uri: Uri
    state_uri: Uri
    task: Task
    worker_group: WorkerGroup | None = None

    _former: ClassVar = former_fields(gang="worker_group")

    @property
    def document(self) -> bytes:
        """The spec file's content (JSON)."""
        return self.model_dump_json(indent=1).encode()

    @property
    def sha256(self) -> str:
        """Digest of ``document``; the sender checks by it that the spec file is unchanged."""
        return hashlib.sha256(self.document).hexdigest()

    @property
    def variant(self) -> str:
        """Variant of the image that has the step: "" or "spark"."""
        return "spark" if isinstance(self.task, ValidateTask) and self.task.engine == "spark" else ""

    @property
    def workers(self) -> int:
        """Number of processes that run this step; only training uses several."""
        return self.parameters.workers if self.task.kind == "train" else 1


REPORT_FILE = "report.json"
METER_FILE = "meter.json"
SPEC_FILE = "spec.json"
WORKERS_FOLDER = "workers"
"""In a worker group's attempt folder: worker N has the spec N.json and attempt N; the leader's is the group's."""
