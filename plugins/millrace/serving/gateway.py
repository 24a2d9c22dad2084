"""Manifest that divides requests by weight, for a cluster with Gateway API."""

from millrace.contracts.cluster import Cluster
from millrace.serving.manifests import PORT, Manifest, object_of, service_name


def http_route(cluster: Cluster, workload: str, shares: dict[str, int]) -> Manifest:
    """Return a route from the configured gateway to each version's own Service; ``shares`` maps version to percent."""
    namespace, _, name = cluster.gateway.partition("/")
    backends = [
        {
            "group": "",
            "kind": "Service",
            "name": service_name(workload, version),
            "port": PORT,
            "weight": weight,
        }
        for version, weight in shares.items()
    ]
    return object_of("gateway.networking.k8s.io/v1", "HTTPRoute", cluster, service_name(workload), workload) | {
        "spec": {
            "parentRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": name}
            ],
            # a gateway serves several workloads: the inference protocol's path selects one
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": f"/v2/models/{workload}"}}],
                    "backendRefs": backends,
                }
            ],
        }
    }
