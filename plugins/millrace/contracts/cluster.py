"""Conventions of a cluster, in a module that does not import the Kubernetes client, which takes a second."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError

HADOOP_FOLDER = "/etc/millrace/hadoop"
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_OF_TEAM = r"^([a-z0-9.-]|\{team\}|\{workload\})*$"

OfTeam = Annotated[str, Field(pattern=_OF_TEAM)]
"""A name in the cluster, in which ``Cluster.for_team`` replaces ``{team}`` and ``{workload}``."""


class Conventions(Contract):
    """Settings of a cluster, read by settings.KubernetesSettings; docs/operate/settings.md is generated from them."""

    context: str = Field(default="", description="Context of the kubeconfig (KUBECONFIG); the current one when empty.")
    in_cluster: bool = Field(
        default=False, description="Airflow runs in the cluster and uses its service account there."
    )
    namespace: OfTeam = Field(
        default="millrace-steps",
        description="Namespace of step pods. Here, and in the names below that say so, `{team}` and `{workload}` are "
        "replaced by the workload's own, with a dash for `_` and `.`.",
    )
    service_account: OfTeam = Field(
        default="default",
        description="Service account of step pods, which get no token of it; takes `{team}` and `{workload}`.",
    )
    serving_namespace: OfTeam = Field(
        default="millrace-serving", description="Namespace of model servers; takes `{team}` and `{workload}`."
    )
    images: str = Field(
        default="millrace/{image}:latest", description="Image of a step; `{image}` is data, train, serve or spark."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When nodes pull images."
    )
    image_pull_secrets: tuple[str, ...] = Field(default=(), description="Names of pull secrets (JSON list).")
    storage_secret: OfTeam = Field(
        default="millrace-storage",
        description="Secret in each of these namespaces whose keys are the pods' AWS_* and HADOOP_* variables; "
        "takes `{team}` and `{workload}`.",
    )
    hadoop_secret: OfTeam = Field(
        default="",
        description="Secret in each of these namespaces whose files are mounted in HADOOP_CONF_DIR, "
        "`/etc/millrace/hadoop`; takes `{team}` and `{workload}`.",
    )
    gpu_resource: str = Field(default="nvidia.com/gpu", description="Resource name for GPU requests.")
    gpu_product_label: str = Field(
        default="nvidia.com/gpu.product", description="Node label whose value is the hardware entry's `gpu`."
    )
    tolerations: tuple[dict[str, str], ...] = Field(
        default=(), description="Tolerations of every step pod (JSON list), in addition to the one for GPU nodes."
    )
    priority_class: str = Field(default="", description="Priority class of training pods.")
    runtime_class: str = Field(default="", description="Runtime class of pods with GPUs.")
    queue: OfTeam = Field(
        default="", description="Kueue local queue for training pods; takes `{team}` and `{workload}`."
    )
    shared_memory_bytes: int = Field(default=1 << 30, ge=0, description="Size of /dev/shm in training pods.")
    serving_address: str = Field(
        default="https://{service}.{namespace}.svc:8443",
        description="Address at which Airflow reaches a service; takes `{service}`, `{namespace}` and `{cluster_ip}`.",
    )
    serving_tls: bool = Field(default=True, description="Model servers use TLS.")
    serving_token: bool = Field(default=True, description="Model servers require a bearer token.")
    serving_secret: OfTeam = Field(
        default="millrace-serving",
        description="Secret of model servers: `tls.crt`, `tls.key`, `ca.crt` and `token`; takes `{team}` and "
        "`{workload}`.",
    )
    serving_cpu: str = Field(default="500m", description="CPU request of a model server.")
    serving_memory: str = Field(default="1Gi", description="Memory request and limit of a model server.")
    max_replicas: int = Field(default=3, ge=1, description="Maximum replicas of a model server (autoscaler).")
    gateway: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+/[a-z0-9.-]+)?$",
        description="Gateway (`namespace/name`) whose HTTPRoute weights a canary; by replica counts when empty.",
    )
    keda_prometheus_url: str = Field(
        default="",
        description="URL of Prometheus for KEDA; a ScaledObject on requests in flight then replaces the HPA on CPU.",
    )
    in_flight_per_server: int = Field(
        default=4, ge=1, description="Requests in flight per model server, as KEDA's target."
    )
    start_timeout_seconds: int = Field(
        default=600,
        ge=5,
        description="Time limit for a pod's start; a pod not running by then fails with the scheduler's reason.",
    )
    step_memory_bytes: int = Field(
        default=2 << 30,
        ge=1 << 27,
        description="Minimum memory of a step's pod; a plan or an OOM correction can raise it.",
    )
    max_memory_bytes: int = Field(
        default=64 << 30,
        ge=1 << 28,
        description="Upper limit when a step that ran out of memory gets 1.5 times as much.",
    )
    spark_executors: int = Field(default=4, ge=1, description="Executors of a Spark step.")
    spark_namespace: OfTeam = Field(
        default="millrace-spark",
        description="Namespace of Spark steps, whose drivers may create pods; takes `{team}` and `{workload}`.",
    )
    spark_service_account: OfTeam = Field(
        default="millrace-spark",
        description="Service account of a Spark driver, which starts executors; takes `{team}` and `{workload}`.",
    )


class Cluster(Conventions):
    """The conventions of one cluster, with the settings that pods have in common with local processes."""

    stop_grace_seconds: float
    verify_key: str = Field(description="public key by which model servers verify serving targets")

    def for_team(self, team: str, workload: str) -> Self:
        """Return the conventions for one workload's pods, with ``{team}`` and ``{workload}`` replaced in every name.

        Raises BadInputError if a namespace is then invalid.
        """
        given = {"{team}": label(team), "{workload}": label(workload)}
        filled = {name: _filled(getattr(self, name), given) for name in OF_TEAM}
        for name in ("namespace", "serving_namespace", "spark_namespace"):
            if not _DNS_LABEL.match(filled[name]):
                raise BadInputError(
                    f"{filled[name]!r} is no namespace",
                    where=f"MILLRACE_KUBERNETES_{name.upper()}, team {team}, workload {workload}",
                    rule="letters, digits and dashes, 63 at most",
                    remedy="shorten the setting, or the team's name",
                )
        return self.model_copy(update=filled)

    @property
    def is_shared(self) -> bool:
        """Whether all workloads have the same conventions."""
        return not any("{" in getattr(self, name) for name in OF_TEAM)

    def image(self, name: str) -> str:
        """Return the container image of images/<name>."""
        return self.images.replace("{image}", name)


OF_TEAM = tuple(
    name
    for name, field in Conventions.model_fields.items()
    if any(getattr(m, "pattern", "") == _OF_TEAM for m in field.metadata)
)
"""The conventions that take ``{team}`` and ``{workload}``."""


def label(name: str) -> str:
    """Return a team's or a workload's name in the form that names in the cluster may contain."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _filled(text: str, given: dict[str, str]) -> str:
    for placeholder, value in given.items():
        text = text.replace(placeholder, value)
    return text
