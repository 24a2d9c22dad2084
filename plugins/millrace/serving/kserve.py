"""A workload's live version as KServe's InferenceService, for clusters where KServe runs what serves."""

from millrace.contracts.cluster import Cluster
from millrace.contracts.workload import ServingPolicy
from millrace.serving.manifests import Manifest, labels, object_of, pod, service_name

_CONTAINER = "kserve-container"


def inference_service(cluster: Cluster, workload: str, version: str, policy: ServingPolicy, folder: str) -> Manifest:
    """Our own server as a custom predictor, by Deployments (no Knative); ``folder`` holds its orders.

    It has the restricted pod of any other server, and names the secrets that it needs without holding one.
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
