"""Find and delete running pods in the namespaces of steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from kubernetes import client, config
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from millrace.contracts.cluster import Cluster
from millrace.contracts.run_spec import SPEC_FILE
from millrace.launchers.kubernetes import SPEC_ANNOTATION, STEP_LABEL
from millrace.launchers.worker_group import JOB_LABEL
from millrace.storage import files
from millrace.storage.polling import poll

_LOOK_SECONDS = 0.5
# time for the API server and the kubelet in addition to the grace period
_MARGIN_SECONDS = 15.0


@dataclass(frozen=True)
class StepPods:
    """Finds pods of steps by the URI of their step spec."""

    cluster: Cluster
    api: client.ApiClient

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        """Connect with the pod's service account if Airflow runs in the cluster, else with KUBECONFIG."""
        if cluster.in_cluster:
            given = client.Configuration()
            config.load_incluster_config(client_configuration=given)
            return cls(cluster, client.ApiClient(given))
        return cls(cluster, config.new_client_from_config(context=cluster.context or None))

    def at_work(self, attempt_uri: str) -> str | None:
        """Return ``pod:<namespace>/<name>`` of this attempt's running pod; of a worker group the first by name.

        None if no pod of the attempt runs.
        """
        names = sorted(
            f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in self._pods(attempt_uri) if not _over(pod)
        )
        return f"pod:{names[0]}" if names else None

    def end(self, attempt_uri: str) -> None:
        """Delete the running pods of this attempt (they get SIGTERM and save a checkpoint) and wait until none runs.

        Returns after the grace period and 15 s in any case. Ended pods are left to the task that waits for them.
        """

        def none_runs() -> bool:
            # list pods again each time: a task that has just ended may still have created one
            left = [pod for pod in self._pods(attempt_uri) if not _over(pod)]
            for pod in left:
                if pod.metadata.deletion_timestamp is None:
                    self._delete(pod)
            return not left

        at_most_seconds = self.cluster.stop_grace_seconds + _MARGIN_SECONDS
        poll(none_runs, every_seconds=_LOOK_SECONDS, at_most_seconds=at_most_seconds)

    def _pods(self, attempt_uri: str) -> Iterator[k8s.V1Pod]:
        uri = files.join(attempt_uri, SPEC_FILE)
        core = client.CoreV1Api(self.api)
        for namespace in {self.cluster.namespace, self.cluster.spark_namespace}:
            for pod in core.list_namespaced_pod(namespace, label_selector=STEP_LABEL).items:
                if (pod.metadata.annotations or {}).get(SPEC_ANNOTATION) == uri:
                    yield pod

    def _delete(self, pod: k8s.V1Pod) -> None:
        """Delete a pod, or the job of a worker group's pod: the job would count one deleted worker as a failure."""
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
