"""One cluster's conventions, apart from the Kubernetes client, whose import takes a second."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """The conventions of one cluster; see settings.KubernetesSettings, whose fields these are."""

    context: str
    in_cluster: bool
    namespace: str
    serving_namespace: str
    images: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    storage_secret: str
    gpu_resource: str
    gpu_product_label: str
    tolerations: tuple[dict[str, str], ...]
    priority_class: str
    runtime_class: str
    queue: str
    shared_memory_bytes: int
    serving_address: str
    serving_tls: bool
    serving_token: bool
    serving_secret: str
    serving_cpu: str
    serving_memory: str
    max_replicas: int
    gateway: str
    keda_prometheus_url: str
    in_flight_per_server: int
    start_timeout_seconds: int
    step_memory_bytes: int
    max_memory_bytes: int
    stop_grace_seconds: float

    def image(self, name: str) -> str:
        """The container image of images/<name>."""
        return self.images.replace("{image}", name)
