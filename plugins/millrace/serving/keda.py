"""Autoscaler by requests in flight, for a cluster with KEDA."""

from millrace.contracts.cluster import Cluster
from millrace.serving.manifests import Manifest, object_of, service_name

_PAUSED = "autoscaling.keda.sh/paused"


def scaled_object(cluster: Cluster, workload: str, version: str, suspended: bool = False) -> Manifest:
    """Return a ScaledObject that scales a version's servers by requests in flight; a rollout suspends it."""
    name = service_name(workload, version)
    # the gauge has no workload and version labels; they come from another series of the same server
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
