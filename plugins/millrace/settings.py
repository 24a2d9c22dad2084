"""The one reader of configuration on Airflow's side: the environment first, then a default that runs on a laptop."""

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
from millrace.serving.room import ServingRoom
from millrace.sizing.catalogue import AUTO, CATALOGUE, Site, TeamBudget, gpu_names, hardware, site, team_budget
from millrace.storage import files, packaged
from millrace.storage.signature import OrderKey

if TYPE_CHECKING:
    from millrace.ledger.ledger import Ledger

# an installed wheel keeps its data where all of a site's Airflow components find their own
_HOME = (
    packaged.ROOT / ".millrace"
    if packaged.IS_CHECKOUT
    else Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "millrace"
)
_ENVIRONMENTS = packaged.ROOT / ".venvs" if packaged.IS_CHECKOUT else _HOME / "environments"


class Settings(BaseSettings):
    """Each is the environment variable ``MILLRACE_<NAME>``; docs/operate/settings.md is generated from this class."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_", extra="ignore", frozen=True)

    home: Path = Field(default=_HOME, description="Folder for everything that Millrace keeps by default.")
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
        default=_ENVIRONMENTS, description="Folder of the images' environments, for the process launcher."
    )
    spark_from_bytes: int = Field(
        default=64 << 30,
        ge=0,
        description="Size from which data whose rows are each to be there once over all days is validated by Spark.",
    )
    orders_key: str = Field(
        default="",
        repr=False,
        description="Secret that orders of model servers are signed with: 32 random bytes in base64, the same for all "
        "of Airflow's components and nobody else; `<home>/orders.key` when empty, made where there is none.",
    )
    serving_host: str = Field(default="127.0.0.1", description="Address that model servers listen on.")
    serving_port: int = Field(
        default=8200, ge=1, le=65435, description="First port of the hundred that model servers take theirs from."
    )
    serving_tls: bool = Field(default=False, description="Model servers of this machine speak TLS.")
    serving_token: bool = Field(default=False, description="Model servers of this machine ask for a bearer token.")
    serving_secrets: str = Field(
        default="",
        description="Folder with their `tls.crt`, `tls.key`, `ca.crt` and `token`.",
    )
    site: str = Field(default="local", description="This site in the ledger and under `sites` in the catalogue.")
    catalogue: Path = Field(
        default=CATALOGUE, description="The site's hardware catalogue (YAML); `sizing/hardware.yaml` is the default."
    )
    forecast_uri: str = Field(
        default="",
        description="File of hourly gCO2e and prices to come (JSON or CSV, see docs/how-to/start-hours.md), that "
        "runs with a `timing` policy go by; the catalogue's day when empty.",
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
    step_user: str = Field(
        default="",
        description="User and group that steps of this machine run as, where `setpriv` may change users and the store "
        "is not its files; Airflow's own when empty.",
    )
    server_user: str = Field(default="", description="The same for model servers of this machine.")

    prometheus_url: str = Field(
        default="",
        repr=False,
        description="Prometheus that a canary's steps are judged by (the servers' own metrics when empty), and that "
        "the DAG `meters` asks for ended runs' joules.",
    )
    prometheus_scrape_seconds: float = Field(
        default=30,
        gt=0,
        description="How often it scrapes model servers; figures that are four times as late are unknown.",
    )
    prometheus_joules: str = Field(
        default=KEPLER_JOULES,
        description="Query for the joules of a version's pods, without idle power; takes `$namespace`, `$pods` "
        "(a pattern) and `$window`. Kepler's when not set.",
    )
    prometheus_joules_estimated: bool = Field(
        default=False, description="That query's joules are no sensor's: they are shown and never judged."
    )

    prometheus_node_watts: str = Field(
        default="",
        description="Gauge of a whole node's watts (IPMI, Redfish), with `{node}`, that `millrace ledger closure` "
        "closes against; Kepler's and dcgm-exporter's sums when empty.",
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
        """The URI that everything is kept under."""
        return self.storage_uri or files.to_uri(self.home / "store")

    @property
    def arrivals(self) -> str:
        """The URI that ``{arrivals}`` stands for."""
        return self.arrivals_uri or files.to_uri(self.home / "arrivals")

    def ledger(self) -> "Ledger":
        """The ledger, not yet connected."""
        # its SQLAlchemy is half of what starting the command takes
        from millrace.ledger.ledger import Ledger

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

    def any_hardware(self, precision: Precision) -> list[Hardware]:
        """One, two, four and eight of each GPU of the catalogue that has the precision."""
        every = [self.hardware(f"{count}x{name}") for name in gpu_names(self.catalogue) for count in (1, 2, 4, 8)]
        return [each for each in every if each.device and precision in each.device.flops]

    def site_rates(self) -> Site:
        """This site's entry of the catalogue. Raises BadInputError."""
        return site(self.site, self.catalogue)

    def team_budget(self, team: str) -> TeamBudget | None:
        """The team's monthly budget in the catalogue, if any. Raises BadInputError."""
        return team_budget(team, self.catalogue)

    def order_key(self) -> OrderKey:
        """What orders of model servers are signed with. Raises BadInputError for a key that is none."""
        return OrderKey.of(self.orders_key) if self.orders_key else OrderKey.kept(self.home / "orders.key")

    def serving_room(self, workload: str) -> ServingRoom:
        """Where the workload's server on this machine and its rollout meet."""
        return ServingRoom(self.store, workload, self.order_key())

    def cluster(self) -> Cluster:
        """How pods are made on this site's cluster; names that take a team are still to be filled in."""
        return Cluster(
            **KubernetesSettings().model_dump(),
            stop_grace_seconds=self.stop_grace_seconds,
            orders_key=self.order_key().public,
        )

    def cluster_of(self, workload: str) -> Cluster:
        """The conventions for a workload that is known by its name; its team is its newest run's.

        Raises BadInputError where they depend on the team and nobody knows it.
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
        """The conventions of every workload that ever ran; one alone where all share them."""
        cluster = self.cluster()
        if cluster.is_shared:
            return [cluster]
        return [cluster.for_team(row["team"], row["workload"]) for row in self.ledger().tenants()]

    def prometheus(self, serving_namespace: str) -> PrometheusSource | None:
        """The judge of a canary's steps; None where the servers' own metrics are."""
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
        """The launcher that runs a step in its image's own environment on this machine."""
        return ProcessLauncher(
            repository=packaged.ROOT,
            environments=self.environments,
            scratch=self.home / "scratch",
            stop_grace_seconds=self.stop_grace_seconds,
            step_user=self.step_user,
            server_user=self.server_user,
        )


class KubernetesSettings(BaseSettings, Conventions):
    """Each of a cluster's conventions is the environment variable ``MILLRACE_KUBERNETES_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="MILLRACE_KUBERNETES_", extra="ignore", frozen=True)


@cache
def load_settings() -> Settings:
    """The settings of this process."""
    return Settings()
