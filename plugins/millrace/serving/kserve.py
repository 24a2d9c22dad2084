"""Manifest of a workload's live version as an InferenceService, for clusters in which KServe runs model servers."""

from millrace.contracts.cluster import Cluster
from millrace.contracts.workload import ServingPolicy
from millrace.serving.manifests import Manifest, labels, object_of, pod, service_name

_CONTAINER = "kserve-container"


def inference_service(cluster: Cluster, workload: str, version: str, policy: ServingPolicy, folder: str) -> Manifest:
    """Return an InferenceService with Millrace's server as custom predictor, as a Deployment (no Knative).

    ``folder`` has the server's spec and serving target. The pod is restricted as any other server's; the manifest
    refers to secrets by name and contains none.
    """
    server = pod(cluster, workload, policy, folder)
    (container,) = server.pop("containers")
    manifest = object_of(
        "serving.kserve.io/v1beta1", "InferenceService", cluster, service_name(workload), workload, version
    )
    manifest["metadata"]["annotations"] = {
        "serving.kserve.io/deploymentMode": "RawDeployment",
        "serving.kserve.io/autoscalerClass": "hpa",
    }
    return manifest | {
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": cluster.max_replicas,
                "scaleMetric": "cpu",
                "scaleTarget": 70,
                "labels": labels(workload, version),
                "containers": [{**container, "name": _CONTAINER}],
                **server,
            }
        }
    }
