"""Replicas by requests in flight, where the cluster has KEDA."""

from millrace.contracts.cluster import Cluster
from millrace.serving.manifests import Manifest, object_of, service_name

_PAUSED = "autoscaling.keda.sh/paused"


def scaled_object(cluster: Cluster, workload: str, version: str, suspended: bool = False) -> Manifest:
    """As many servers as requests in flight need; suspended while a rollout says how many there are."""
    name = service_name(workload, version)
    # the gauge does not say whose requests they are, its server's other series does
    query = (
        "sum(millrace_requests_in_flight and on (instance) "
        f'millrace_version_loaded{{workload="{workload}",version="{version}"}})'
    )
    manifest = object_of("keda.sh/v1alpha1", "ScaledObject", cluster, name, workload, version)
    if suspended:
        manifest["metadata"]["annotations"] = {_PAUSED: "true"}
    return manifest | {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "pollingInterval": 5,
            "cooldownPeriod": 60,
            "minReplicaCount": 1,
            "maxReplicaCount": cluster.max_replicas,
            "triggers": [
                {
                    "type": "prometheus",
                    "metadata": {
                        "serverAddress": cluster.keda_prometheus_url,
                        "query": query,
                        "threshold": str(cluster.in_flight_per_server),
                    },
                }
            ],
        }
    }
