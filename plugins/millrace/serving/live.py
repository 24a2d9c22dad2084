"""What serves a workload in one cluster, with the means that the cluster has."""

from millrace.contracts.cluster import Cluster
from millrace.contracts.workload import ServingPolicy
from millrace.serving import gateway, keda, manifests
from millrace.serving.manifests import Manifest


def all_of(cluster: Cluster, workload: str, version: str, policy: ServingPolicy, folder: str) -> list[Manifest]:
    """Everything that serves a workload whose live version this is, as a rollout leaves it."""
    route = [gateway.http_route(cluster, workload, {version: 100})] if cluster.gateway else []
    return [
        manifests.service(cluster, workload, "", version),
        manifests.deployment(cluster, workload, version, policy, folder),
        manifests.service(cluster, workload, version, version),
        autoscaler(cluster, workload, version),
        manifests.disruption_budget(cluster, workload),
        *route,
    ]


def autoscaler(cluster: Cluster, workload: str, version: str, suspended: bool = False) -> Manifest:
    """What says how many servers a version has; suspended while a rollout says it."""
    render = keda.scaled_object if cluster.keda_prometheus_url else manifests.autoscaler
    return render(cluster, workload, version, suspended)


def autoscaler_kinds(cluster: Cluster) -> tuple[str, ...]:
    """The kind that is used here, and then the one that an earlier setting may have left."""
    return ("ScaledObject", "HorizontalPodAutoscaler") if cluster.keda_prometheus_url else ("HorizontalPodAutoscaler",)
