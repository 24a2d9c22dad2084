"""The pods at work in the namespace of steps, and how they are ended."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from kubernetes import client, config
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from millrace.contracts.cluster import Cluster
from millrace.contracts.run_spec import SPEC_FILE
from millrace.launchers.gang import JOB_LABEL
from millrace.launchers.kubernetes import SPEC_ANNOTATION, STEP_LABEL
from millrace.storage import files

_LOOK_SECONDS = 0.5
# what the API server and the kubelet take beside the grace
_MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class StepPods:
    """The pods of steps, by the order that each was given."""

    cluster: Cluster
    api: client.ApiClient

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        """As this process may see them: by its service account in the cluster, else by KUBECONFIG."""
        if cluster.in_cluster:
            given = client.Configuration()
            config.load_incluster_config(client_configuration=given)
            return cls(cluster, client.ApiClient(given))
        return cls(cluster, config.new_client_from_config(context=cluster.context or None))

    def at_work(self, attempt_uri: str) -> str | None:
        """The name of the pod, or of a gang's first, that works on this try's order; None where none does."""
        names = sorted(
            f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in self._pods(attempt_uri) if not _over(pod)
        )
        return f"pod:{names[0]}" if names else None

    def end(self, attempt_uri: str) -> None:
        """Have the pods of this try save what they have, and end; returns once none of them works any more.

        A pod that ended by itself is left to the task that waits for it.
        """
        deadline = time.monotonic() + self.cluster.stop_grace_seconds + _MARGIN_SECONDS
        while left := [pod for pod in self._pods(attempt_uri) if not _over(pod)]:
            # asked again at each look: a task that was ended a moment ago may still have made one
            for pod in left:
                if pod.metadata.deletion_timestamp is None:
                    self._delete(pod)
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_SECONDS)

    def _pods(self, attempt_uri: str) -> Iterator[k8s.V1Pod]:
        uri = files.join(attempt_uri, SPEC_FILE)
        core = client.CoreV1Api(self.api)
        for namespace in {self.cluster.namespace, self.cluster.spark_namespace}:
            for pod in core.list_namespaced_pod(namespace, label_selector=STEP_LABEL).items:
                if (pod.metadata.annotations or {}).get(SPEC_ANNOTATION) == uri:
                    yield pod

    def _delete(self, pod: k8s.V1Pod) -> None:
        """A gang goes with its job, which would take one worker's end for a failure of its own."""
        job = (pod.metadata.labels or {}).get(JOB_LABEL)
        try:
            if job:
                client.BatchV1Api(self.api).delete_namespaced_job(
                    job, pod.metadata.namespace, propagation_policy="Background"
                )
            else:
                client.CoreV1Api(self.api).delete_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
        except ApiException as error:
            if error.status != 404:
                raise


def _over(pod: k8s.V1Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
