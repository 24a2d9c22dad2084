"""Settings of Millrace in Airflow's processes: environment variables, with defaults for a laptop. Read only here."""

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from millrace.contracts.cluster import Cluster, Conventions
from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware, Precision
from millrace.contracts.retention import RetentionPolicy
from millrace.contracts.source import check_place
from millrace.launchers.process import ProcessLauncher
from millrace.serving.prometheus import KEPLER_JOULES, PrometheusSource
from millrace.serving.server_files import ServerFiles
from millrace.sizing.catalogue import AUTO, CATALOGUE, Site, TeamBudget, gpu_names, hardware, site, team_budget
from millrace.storage import files, packaged
from millrace.storage.signature import SigningKey

if TYPE_CHECKING:
    from millrace.ledger.ledger import Ledger

# an installed wheel keeps its data in AIRFLOW_HOME, which all Airflow components of a site share
_HOME = (
    packaged.ROOT / ".millrace"
    if packaged.IS_CHECKOUT
    else Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "millrace"
)
_ENVIRONMENTS = packaged.ROOT / ".venvs" if packaged.IS_CHECKOUT else _HOME / "environments"


class Settings(BaseSettings):
    """Each field is the environment variable ``MILLRACE_<NAME>``; docs/operate/settings.md is generated from here."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", frozen=True)

    home: Path = Field(default=_HOME, description="Default folder of all of Millrace's data.")
    storage_uri: str = Field(
        default="", description="URI of the store of runs, datasets and models; `file://<home>/store` when empty."
    )
    arrivals_uri: str = Field(
        default="",
        description="URI that replaces `{arrivals}` in a workload's source; `file://<home>/arrivals` when empty.",
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
        default="process", description="Launcher of steps: `process` (on this machine) or `kubernetes`."
    )
    environments: Path = Field(
        default=_ENVIRONMENTS, description="Folder of the images' Python environments, for the process launcher."
    )
    spark_from_bytes: int = Field(
        default=64 << 30,
        ge=0,
        description="Size from which Spark validates data that is deduplicated over the whole dataset.",
    )
    signing_key: str = Field(
        default="",
        repr=False,
        description="Secret key that signs serving targets: 32 random bytes in base64, the same for all of Airflow's "
        "components and known only to them; when empty, `<home>/signing.key`, which is created if missing.",
    )
    serving_host: str = Field(default="127.0.0.1", description="Address that model servers listen on.")
    serving_port: int = Field(
        default=8200, ge=1, le=65435, description="First of the hundred ports that model servers use."
    )
    serving_tls: bool = Field(default=False, description="Model servers on this machine use TLS.")
    serving_token: bool = Field(default=False, description="Model servers on this machine require a bearer token.")
    serving_secrets: str = Field(
        default="",
        description="Folder with the model servers' `tls.crt`, `tls.key`, `ca.crt` and `token`.",
    )
    site: str = Field(
        default="local", description="Name of this site in the ledger and under `sites` in the catalogue."
    )
    catalogue: Path = Field(
        default=CATALOGUE, description="The site's catalogue (YAML); `sizing/hardware.yaml` is the default."
    )
    forecast_uri: str = Field(
        default="",
        description="File with the forecast of hourly gCO2e and prices (JSON or CSV, see docs/how-to/start-hours.md), "
        "for runs with a `timing` policy; the catalogue's day when empty.",
    )
    retention_attempt_days: float = Field(
        default=14, ge=0, description="Days that the attempt folders of a run's steps are kept after the run's end."
    )
    retention_models: int = Field(default=3, ge=0, description="Model versions kept before the live one, for rollback.")
    retention_grace_hours: float = Field(
        default=24, ge=0, description="Hours after which incomplete files and uploads count as abandoned."
    )
    retention_table_hours: float = Field(
        default=168, ge=0, description="Hours that files of a table are kept that no version in use refers to."
    )
    stop_grace_seconds: float = Field(
        default=30, gt=0, description="Time between SIGTERM and SIGKILL in which a step can save a checkpoint."
    )
    step_user: str = Field(
        default="",
        description="User and group of steps on this machine, where `setpriv` may change users and the store is not "
        "local files; Airflow's own when empty.",
    )
    server_user: str = Field(default="", description="The same for model servers on this machine.")

    prometheus_url: str = Field(
        default="",
        repr=False,
        description="Prometheus whose metrics judge a canary's steps (the servers' own metrics when empty), and from "
        "which the DAG `meters` reads the joules of ended runs.",
    )
    prometheus_scrape_seconds: float = Field(
        default=30,
        gt=0,
        description="Prometheus's scrape interval of model servers; metrics missing for four intervals are unknown.",
    )
    prometheus_joules: str = Field(
        default=KEPLER_JOULES,
        description="Query for the joules of a version's pods, without idle power; takes `$namespace`, `$pods` "
        "(a pattern) and `$window`. Kepler's metric when not set.",
    )
    prometheus_joules_estimated: bool = Field(
        default=False, description="That query's joules are estimates: they are shown, never judged."
    )

    prometheus_node_watts: str = Field(
        default="",
        description="Gauge of a whole node's watts (IPMI, Redfish), with `{node}`, for the energy balance of "
        "`millrace ledger energy-balance`; the sums of Kepler and dcgm-exporter when empty.",
    )

    @field_validator("storage_uri", "arrivals_uri")
    @classmethod
    def _place(cls, uri: str) -> str:
        return check_place(uri) if uri else uri

    @field_validator("home", "environments", "catalogue")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.resolve()

    @property
    def store(self) -> str:
        """URI of the store."""
        return self.storage_uri or files.to_uri(self.home / "store")

    @property
    def arrivals(self) -> str:
        """URI that replaces ``{arrivals}`` in a source."""
        return self.arrivals_uri or files.to_uri(self.home / "arrivals")

    def ledger(self) -> "Ledger":
        """Return the ledger, not yet connected."""
        # importing SQLAlchemy takes half of the command's start time
        from millrace.ledger.ledger import Ledger

        return Ledger(self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}")

    def retention(self) -> RetentionPolicy:
        """Return how long data is kept that no live version refers to."""
        return RetentionPolicy(
            attempt_days=self.retention_attempt_days,
            models=self.retention_models,
            grace_hours=self.retention_grace_hours,
            table_hours=self.retention_table_hours,
        )

    def hardware(self, name: str) -> Hardware:
        """Return an entry of the catalogue; "auto" is the site's default entry. Raises BadInputError."""
        return hardware(self.site_rates().hardware if name == AUTO else name, self.catalogue)

    def any_hardware(self, precision: Precision) -> list[Hardware]:
        """Return hardware with 1, 2, 4 and 8 of each GPU in the catalogue that supports the precision."""
        every = [self.hardware(f"{count}x{name}") for name in gpu_names(self.catalogue) for count in (1, 2, 4, 8)]
        return [each for each in every if each.device and precision in each.device.flops]

    def site_rates(self) -> Site:
        """Return this site's entry of the catalogue. Raises BadInputError."""
        return site(self.site, self.catalogue)

    def team_budget(self, team: str) -> TeamBudget | None:
        """Return the team's monthly budget in the catalogue, if any. Raises BadInputError."""
        return team_budget(team, self.catalogue)

    def serving_key(self) -> SigningKey:
        """Return the key that signs serving targets. Raises BadInputError if it is invalid."""
        return SigningKey.of(self.signing_key) if self.signing_key else SigningKey.kept(self.home / "signing.key")

    def server_files(self, workload: str) -> ServerFiles:
        """Return the workload's serving folder, which its server on this machine and its rollout share."""
        return ServerFiles(self.store, workload, self.serving_key())

    def cluster(self) -> Cluster:
        """Return the conventions of this site's cluster, with placeholders for team and workload not yet replaced."""
        return Cluster(
            **KubernetesSettings().model_dump(),
            stop_grace_seconds=self.stop_grace_seconds,
            verify_key=self.serving_key().public,
        )

    def cluster_of(self, workload: str) -> Cluster:
        """Return the conventions for a workload by its name; its team is that of its newest run in the ledger.

        Raises BadInputError if they depend on the team and the ledger has none.
        """
        cluster = self.cluster()
        if cluster.is_shared:
            return cluster
        team = next((row["team"] for row in self.ledger().tenants() if row["workload"] == workload), None)
        if team is None:
            raise BadInputError(
                f"nobody knows the team of {workload}",
                where="the ledger",
                rule="a workload's team is what its newest run says",
                remedy="run the workload's DAG once",
            )
        return cluster.for_team(team, workload)

    def clusters(self) -> list[Cluster]:
        """Return the conventions of every workload in the ledger; a single one if all share them."""
        cluster = self.cluster()
        if cluster.is_shared:
            return [cluster]
        return [cluster.for_team(row["team"], row["workload"]) for row in self.ledger().tenants()]

    def prometheus(self, serving_namespace: str) -> PrometheusSource | None:
        """Return the source of metrics that judge a canary's steps; None: the servers' own metrics do."""
        if not self.prometheus_url:
            return None
        return PrometheusSource(
            self.prometheus_url,
            serving_namespace,
            self.prometheus_scrape_seconds,
            self.prometheus_joules,
            self.prometheus_joules_estimated,
        )

    def process_launcher(self) -> ProcessLauncher:
        """Return the launcher that runs a step on this machine in its image's own environment."""
        return ProcessLauncher(
            repository=packaged.ROOT,
            environments=self.environments,
            scratch=self.home / "scratch",
            stop_grace_seconds=self.stop_grace_seconds,
            step_user=self.step_user,
            server_user=self.server_user,
        )


class KubernetesSettings(BaseSettings, Conventions):
    """Settings of a cluster: each convention is the environment variable ``MILLRACE_KUBERNETES_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_KUBERNETES_", extra="ignore", frozen=True)


@cache
def load_settings() -> Settings:
    """Return the settings of this process, read once."""
    return Settings()
