"""One cluster's conventions, apart from the Kubernetes client, whose import takes a second."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field

from millrace.contracts.base import Contract
from millrace.contracts.errors import BadInputError

HADOOP_FOLDER = "/etc/millrace/hadoop"
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_OF_TEAM = r"^([a-z0-9.-]|\{team\}|\{workload\})*$"

OfTeam = Annotated[str, Field(pattern=_OF_TEAM)]
"""A name in the cluster; ``{team}`` and ``{workload}`` stand for the workload's own (see ``Cluster.for_team``)."""


class Conventions(Contract):
    """What a person may set, by settings.KubernetesSettings; docs/operate/settings.md is generated from it."""

    context: str = Field(default="", description="Context of the kubeconfig (KUBECONFIG); its current one when empty.")
    in_cluster: bool = Field(default=False, description="Airflow runs in the cluster: its service account is used.")
    namespace: OfTeam = Field(
        default="millrace-steps",
        description="Namespace of step pods. Here, and in the names below that say so, `{team}` and `{workload}` stand "
        "for the workload's own, with a dash for `_` and `.`.",
    )
    service_account: OfTeam = Field(
        default="default",
        description="Service account of step pods, which have no token of it; takes `{team}` and `{workload}`.",
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
        description="Secret in each of these namespaces whose keys are the AWS_* and HADOOP_* variables for its pods; "
        "takes `{team}` and `{workload}`.",
    )
    hadoop_secret: OfTeam = Field(
        default="",
        description="Secret in each of these namespaces whose files pods find in HADOOP_CONF_DIR, "
        "`/etc/millrace/hadoop`; takes `{team}` and `{workload}`.",
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
    queue: OfTeam = Field(
        default="", description="Kueue's local queue for training pods; takes `{team}` and `{workload}`."
    )
    shared_memory_bytes: int = Field(default=1 << 30, ge=0, description="Size of /dev/shm in training pods.")
    serving_address: str = Field(
        default="https://{service}.{namespace}.svc:8443",
        description="Where Airflow reaches a service; takes `{service}`, `{namespace}` and `{cluster_ip}`.",
    )
    serving_tls: bool = Field(default=True, description="Model servers speak TLS.")
    serving_token: bool = Field(default=True, description="Model servers ask for a bearer token.")
    serving_secret: OfTeam = Field(
        default="millrace-serving",
        description="Secret of model servers: `tls.crt`, `tls.key`, `ca.crt` and `token`; takes `{team}` and "
        "`{workload}`.",
    )
    serving_cpu: str = Field(default="500m", description="Processor share that a model server requests.")
    serving_memory: str = Field(default="1Gi", description="Memory of a model server, request and limit.")
    max_replicas: int = Field(default=3, ge=1, description="Replicas of a model server at most, by its autoscaler.")
    gateway: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+/[a-z0-9.-]+)?$",
        description="Gateway (`namespace/name`) whose HTTPRoute weighs a canary; shares are of replicas when empty.",
    )
    keda_prometheus_url: str = Field(
        default="",
        description="Prometheus as KEDA reaches it: a ScaledObject on requests in flight replaces the HPA on CPU.",
    )
    in_flight_per_server: int = Field(
        default=4, ge=1, description="Requests in flight that KEDA lets one model server have."
    )
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
    spark_executors: int = Field(default=4, ge=1, description="Executors of a step on Spark.")
    spark_namespace: OfTeam = Field(
        default="millrace-spark",
        description="Namespace of steps on Spark, whose drivers may create pods; takes `{team}` and `{workload}`.",
    )
    spark_service_account: OfTeam = Field(
        default="millrace-spark",
        description="Service account of a Spark driver, which starts executors; takes `{team}` and `{workload}`.",
    )


class Cluster(Conventions):
    """The conventions of one cluster, with what its pods share with processes."""

    stop_grace_seconds: float
    orders_key: str = Field(description="public key that model servers know their orders by")

    def for_team(self, team: str, workload: str) -> Self:
        """The conventions for one workload's pods: every name that takes ``{team}`` or ``{workload}`` is filled in.

        Raises BadInputError for a namespace that is then none.
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
        """The container image of images/<name>."""
        return self.images.replace("{image}", name)


OF_TEAM = tuple(
    name
    for name, field in Conventions.model_fields.items()
    if any(getattr(m, "pattern", "") == _OF_TEAM for m in field.metadata)
)
"""The conventions that take ``{team}`` and ``{workload}``."""


def label(name: str) -> str:
    """A team's or a workload's name as a part of names in the cluster."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def _filled(text: str, given: dict[str, str]) -> str:
    for placeholder, value in given.items():
        text = text.replace(placeholder, value)
    return text
