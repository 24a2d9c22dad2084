"""One cluster's conventions, apart from the Kubernetes client, whose import takes a second."""

from typing import Literal

from pydantic import Field

from millrace.contracts.base import Contract

HADOOP_FOLDER = "/etc/millrace/hadoop"


class Conventions(Contract):
    """What a person may set, by settings.KubernetesSettings; the README's table is tested against it."""

    context: str = Field(default="", description="Context of the kubeconfig (KUBECONFIG); its current one when empty.")
    in_cluster: bool = Field(default=False, description="Airflow runs in the cluster: its service account is used.")
    namespace: str = Field(default="millrace-steps", description="Namespace of step pods.")
    serving_namespace: str = Field(default="millrace-serving", description="Namespace of model servers.")
    images: str = Field(
        default="millrace/{image}:latest", description="Image of a step; `{image}` is data, train, serve or spark."
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
    spark_service_account: str = Field(
        default="millrace-spark", description="Service account of a Spark driver, which starts executors."
    )


class Cluster(Conventions):
    """The conventions of one cluster, with what its pods share with processes."""

    stop_grace_seconds: float

    def image(self, name: str) -> str:
        """The container image of images/<name>."""
        return self.images.replace("{image}", name)
