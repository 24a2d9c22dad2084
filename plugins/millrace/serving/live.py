"""Manifests that serve a workload in one cluster, depending on what the cluster has (Gateway API, KEDA)."""

from millrace.contracts.cluster import Cluster
from millrace.contracts.workload import ServingPolicy
from millrace.serving import gateway, keda, manifests
from millrace.serving.manifests import Manifest


def all_of(cluster: Cluster, workload: str, version: str, policy: ServingPolicy, folder: str) -> list[Manifest]:
    """Return all manifests that serve a workload's live version, as they are after a rollout."""
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
    """Return a version's autoscaler: ScaledObject with KEDA, else HorizontalPodAutoscaler; a rollout suspends it."""
    render = keda.scaled_object if cluster.keda_prometheus_url else manifests.autoscaler
    return render(cluster, workload, version, suspended)


def autoscaler_kinds(cluster: Cluster) -> tuple[str, ...]:
    """Return the autoscaler kind in use, then the kind that an earlier setting may have left behind."""
    return ("ScaledObject", "HorizontalPodAutoscaler") if cluster.keda_prometheus_url else ("HorizontalPodAutoscaler",)
