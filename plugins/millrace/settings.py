"""The one reader of configuration on Airflow's side: the environment first, then a default that runs on a laptop."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from millrace.contracts.cluster import Cluster
from millrace.contracts.measurement import Hardware
from millrace.contracts.retention import RetentionPolicy
from millrace.launchers.process import ProcessLauncher
from millrace.ledger.ledger import Ledger
from millrace.sizing.catalogue import AUTO, CATALOGUE, Site, hardware, site
from millrace.storage import files

_REPOSITORY = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Each is the environment variable ``MILLRACE_<NAME>``; the README's table is tested against this class."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", frozen=True)

    home: Path = Field(
        default=_REPOSITORY / ".millrace", description="Folder for everything that Millrace keeps by default."
    )
    storage_uri: str = Field(
        default="", description="Where runs, datasets and models are kept; `file://<home>/store` when empty."
    )
    arrivals_uri: str = Field(
        default="",
        description="What `{arrivals}` in a workload's source stands for; `file://<home>/arrivals` when empty.",
    )
    storage_connection: str = Field(
        default="", description="Airflow connection (aws) for the store's bucket; the AWS_* variables when empty."
    )
    arrivals_connection: str = Field(
        default="", description="Airflow connection (aws) for the arrivals' bucket; the AWS_* variables when empty."
    )
    ledger_url: str = Field(
        default="", description="SQLAlchemy URL of the ledger; `sqlite:///<home>/ledger.db` when empty."
    )
    launcher: Literal["process", "kubernetes"] = Field(
        default="process", description="What starts a step: `process` on this machine, or `kubernetes`."
    )
    environments: Path = Field(
        default=_REPOSITORY / ".venvs", description="Folder of the images' environments, for the process launcher."
    )
    serving_host: str = Field(default="127.0.0.1", description="Address that model servers listen on.")
    serving_port: int = Field(
        default=8200, ge=1, le=65435, description="First port of the hundred that model servers take theirs from."
    )
    site: str = Field(default="local", description="This site in the ledger and under `sites` in the catalogue.")
    catalogue: Path = Field(
        default=CATALOGUE, description="The site's hardware catalogue (YAML); `sizing/hardware.yaml` is the default."
    )
    retention_attempt_days: float = Field(
        default=14, ge=0, description="Days that the folders of a run's steps stay after the run's end."
    )
    retention_models: int = Field(
        default=3, ge=0, description="Model versions kept before the live one, so that going back works."
    )
    retention_grace_hours: float = Field(
        default=24, ge=0, description="Hours before files in the making and uploads are taken for abandoned."
    )
    retention_table_hours: float = Field(
        default=168, ge=0, description="Hours that files of a table stay which no version in use has any more."
    )
    stop_grace_seconds: float = Field(
        default=30, gt=0, description="Time that a step has between SIGTERM and SIGKILL to save a checkpoint."
    )

    @field_validator("home", "environments", "catalogue")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.resolve()

    @property
    def store(self) -> str:
        """The URI that everything is kept under."""
        return self.storage_uri or files.to_uri(self.home / "store")

    @property
    def arrivals(self) -> str:
        """The URI that ``{arrivals}`` stands for."""
        return self.arrivals_uri or files.to_uri(self.home / "arrivals")

    def ledger(self) -> Ledger:
        """The ledger, not yet connected."""
        return Ledger(self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}")

    def retention(self) -> RetentionPolicy:
        """How long things stay that no live version names."""
        return RetentionPolicy(
            attempt_days=self.retention_attempt_days,
            models=self.retention_models,
            grace_hours=self.retention_grace_hours,
            table_hours=self.retention_table_hours,
        )

    def hardware(self, name: str) -> Hardware:
        """An entry of the catalogue; "auto" is the one that the site names. Raises BadInputError."""
        return hardware(self.site_rates().hardware if name == AUTO else name, self.catalogue)

    def site_rates(self) -> Site:
        """This site's entry of the catalogue. Raises BadInputError."""
        return site(self.site, self.catalogue)

    def cluster(self) -> Cluster:
        """How pods are made on this site's cluster."""
        given = KubernetesSettings()
        return Cluster(**given.model_dump(), stop_grace_seconds=self.stop_grace_seconds)

    def process_launcher(self) -> ProcessLauncher:
        """The launcher that runs a step in its image's own environment on this machine."""
        return ProcessLauncher(
            repository=_REPOSITORY,
            environments=self.environments,
            scratch=self.home / "scratch",
            stop_grace_seconds=self.stop_grace_seconds,
        )


class KubernetesSettings(BaseSettings):
    """Each is the environment variable ``MILLRACE_KUBERNETES_<NAME>``, for the kubernetes launcher."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_KUBERNETES_", extra="ignore", frozen=True)

    context: str = Field(default="", description="Context of the kubeconfig (KUBECONFIG); its current one when empty.")
    in_cluster: bool = Field(default=False, description="Airflow runs in the cluster: its service account is used.")
    namespace: str = Field(default="millrace-steps", description="Namespace of step pods.")
    serving_namespace: str = Field(default="millrace-serving", description="Namespace of model servers.")
    images: str = Field(
        default="millrace/{image}:latest", description="Image of a step; `{image}` is data, train or serve."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When nodes pull images."
    )
    image_pull_secrets: tuple[str, ...] = Field(default=(), description="Names of pull secrets (JSON list).")
    storage_secret: str = Field(
        default="millrace-storage",
        description="Secret in both namespaces whose keys are the AWS_* and HADOOP_* variables for pods.",
    )
    hadoop_secret: str = Field(
        default="",
        description="Secret in both namespaces whose files pods find in HADOOP_CONF_DIR, `/etc/millrace/hadoop`.",
    )
    gpu_resource: str = Field(default="nvidia.com/gpu", description="Resource that GPUs are requested as.")
    gpu_product_label: str = Field(
        default="nvidia.com/gpu.product", description="Node label whose value is the hardware entry's `gpu`."
    )
    tolerations: tuple[dict[str, str], ...] = Field(
        default=(), description="Tolerations of every step pod (JSON list), beside the one for GPU nodes."
    )
    priority_class: str = Field(default="", description="Priority class of training pods.")
    runtime_class: str = Field(default="", description="Runtime class of pods with GPUs.")
    queue: str = Field(default="", description="Kueue's local queue for training pods.")
    shared_memory_bytes: int = Field(default=1 << 30, ge=0, description="Size of /dev/shm in training pods.")
    serving_address: str = Field(
        default="https://{service}.{namespace}.svc:8443",
        description="Where Airflow reaches a service; takes `{service}`, `{namespace}` and `{cluster_ip}`.",
    )
    serving_tls: bool = Field(default=True, description="Model servers speak TLS.")
    serving_token: bool = Field(default=True, description="Model servers ask for a bearer token.")
    serving_secret: str = Field(
        default="millrace-serving", description="Secret of model servers: `tls.crt`, `tls.key`, `ca.crt` and `token`."
    )
    serving_cpu: str = Field(default="500m", description="Processor share that a model server requests.")
    serving_memory: str = Field(default="1Gi", description="Memory of a model server, request and limit.")
    max_replicas: int = Field(default=3, ge=1, description="Replicas of a model server at most, by its autoscaler.")
    start_timeout_seconds: int = Field(
        default=600, ge=5, description="Start budget: a pod that does not run by then ends with the scheduler's reason."
    )
    step_memory_bytes: int = Field(
        default=2 << 30,
        ge=1 << 27,
        description="Memory of a step's pod at least; what a plan or an OOM asks for beyond.",
    )
    max_memory_bytes: int = Field(
        default=64 << 30,
        ge=1 << 28,
        description="Cap for a step that ran out of memory and is given 1.5 times as much.",
    )


@cache
def load_settings() -> Settings:
    """The settings of this process."""
    return Settings()
