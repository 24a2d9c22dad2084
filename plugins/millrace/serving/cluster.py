"""Access to the serving namespace of a cluster: server-side apply, scale, and the state of pods."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from millrace.contracts.cluster import Cluster
from millrace.contracts.errors import BadInputError, StepError, TransientError
from millrace.serving.client import Access
from millrace.serving.manifests import PORT, WORKLOAD_LABEL, Manifest, labels, service_name
from millrace.storage.polling import poll

FIELD_MANAGER = "millrace"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_LOOK_SECONDS = 0.5
# reason code that Kubernetes gives a waiting container
_CRASHES = "CrashLoopBackOff"
_REQUEST_SECONDS = 30
_PATHS = {
    "Service": "/api/v1/namespaces/{namespace}/services",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets",
}


class NotFoundError(BadInputError):
    """The object does not exist (HTTP 404)."""


@dataclass(frozen=True)
class Replicas:
    """A Deployment's replicas; ``trouble`` is the state of the first pod that is not ready, as a text.

    ``crashes`` is true if that pod is in CrashLoopBackOff.
    """

    wanted: int
    ready: int
    trouble: str = ""
    crashes: bool = False


class ServingCluster:
    """Operations of a rollout in the cluster. Every write is idempotent; only ``await_ready`` waits."""

    def __init__(self, cluster: Cluster, api: client.ApiClient) -> None:
        self.cluster = cluster
        self._api = api

    def apply(self, manifest: Manifest) -> str:
        """Apply one object as the field manager "millrace"; return its resource version (unchanged by a no-op).

        Raises BadInputError for HTTP 400, 403, 404 and 422, and TransientError for other errors.
        """
        name = manifest["metadata"]["name"]
        query = [("fieldManager", FIELD_MANAGER), ("force", "true")]
        answer = self._call("PATCH", manifest["kind"], name, manifest, _APPLY, query)
        return str(answer["metadata"]["resourceVersion"])

    def get(self, kind: str, name: str) -> Manifest | None:
        """Return an object; None if it does not exist."""
        try:
            return dict(self._call("GET", kind, name))
        except NotFoundError:
            return None

    def listed(self, kind: str, workload: str | None = None) -> list[Manifest]:
        """Return a workload's objects of one kind, or those of every workload."""
        query = [("labelSelector", WORKLOAD_LABEL if workload is None else f"{WORKLOAD_LABEL}={workload}")]
        return list(self._call("GET", kind, "", query=query)["items"])

    def delete(self, kind: str, name: str) -> None:
        """Delete an object and what it owns; no error if it does not exist."""
        try:
            self._call("DELETE", kind, name, {"propagationPolicy": "Background"}, "application/json")
        except NotFoundError:
            return

    def scale(self, deployment: str, replicas: int) -> None:
        """Set a Deployment's number of replicas."""
        self._call("PATCH", "Deployment", f"{deployment}/scale", {"spec": {"replicas": replicas}}, _MERGE)

    def replicas(self, deployment: str) -> Replicas:
        """Return a Deployment's wanted and ready replicas, and why not all are ready."""
        found = self._call("GET", "Deployment", deployment)
        wanted, ready = found["spec"].get("replicas", 1), found.get("status", {}).get("readyReplicas", 0)
        if ready >= wanted:
            return Replicas(wanted, ready)
        return Replicas(wanted, ready, *self._trouble(found["spec"]["selector"]["matchLabels"]))

    def await_ready(
        self, deployment: str, replicas: int, timeout_seconds: float, progress: Callable[[str], None]
    ) -> None:
        """Wait for that many ready replicas; ``progress`` receives each change of the pods' state.

        Raises TransientError, with the pods' state, after ``timeout_seconds``, or at once if a pod is in
        CrashLoopBackOff.
        """
        trouble = ""

        def look() -> Replicas:
            nonlocal trouble
            now = self.replicas(deployment)
            if now.ready < replicas and now.trouble != trouble:
                trouble = now.trouble
                progress(f"{deployment}: {now.ready} of {replicas} ready; {trouble}")
            return now

        found = poll(
            look,
            until=lambda now: now.ready >= replicas or now.crashes,
            every_seconds=_LOOK_SECONDS,
            at_most_seconds=timeout_seconds,
        )
        if found.ready < replicas:
            raise TransientError(
                f"{found.ready} of {replicas} servers are ready: {found.trouble}",
                where=f"deployment {deployment}, namespace {self.cluster.serving_namespace}",
                rule=f"servers are ready within {timeout_seconds:g} s and stay alive",
                remedy=f"kubectl -n {self.cluster.serving_namespace} logs deployment/{deployment}",
            )

    def address(self, name: str) -> str:
        """Return the address at which Airflow reaches a service."""
        found = self._call("GET", "Service", name)
        given = {"service": name, "namespace": self.cluster.serving_namespace, "cluster_ip": found["spec"]["clusterIP"]}
        return self.cluster.serving_address.format(**given)

    def access(self, workload: str) -> Access:
        """Read the secret and return the access to a workload's services, those of single versions included.

        A server's certificate has the name of the workload's own service.
        """
        cluster = self.cluster
        if not (cluster.serving_tls or cluster.serving_token):
            return Access()
        path = f"/api/v1/namespaces/{cluster.serving_namespace}/secrets/{cluster.serving_secret}"
        given = self._request("GET", path).get("data", {})
        found = {name: base64.b64decode(value) for name, value in given.items()}
        ca = found.get("ca.crt") or found.get("tls.crt")
        token = found.get("token")
        return Access(
            ca=ca.decode() if ca and cluster.serving_tls else None,
            server_name=f"{service_name(workload)}.{cluster.serving_namespace}.svc" if cluster.serving_tls else None,
            token=token.decode().strip() if token and cluster.serving_token else None,
        )

    def metrics(self, workload: str, version: str) -> list[str]:
        """Return the metrics page of each running server of a version, read through the API server's proxy.

        A server that does not answer is left out.
        """
        scheme = "https" if self.cluster.serving_tls else "http"
        pages = []
        for pod in self._pods(labels(workload, version)):
            if pod["status"].get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp"):
                name = pod["metadata"]["name"]
                path = f"/api/v1/namespaces/{self.cluster.serving_namespace}/pods/{scheme}:{name}:{PORT}/proxy/metrics"
                try:
                    pages.append(str(self._request("GET", path, accept="text/plain")))
                except (TransientError, NotFoundError):
                    continue
        return pages

    def claim(self, workload: str) -> None:
        """Raise BadInputError if the workload's service name belongs to another workload."""
        found = self.get("Service", service_name(workload))
        owner = found["metadata"].get("labels", {}).get(WORKLOAD_LABEL) if found else workload
        if owner != workload:
            raise BadInputError(
                f"the service {service_name(workload)} belongs to {owner}",
                where=f"namespace {self.cluster.serving_namespace}",
                rule="one service, one workload",
                remedy="rename the workload",
            )

    def _pods(self, selector: dict[str, str]) -> list[Manifest]:
        text = ",".join(f"{name}={value}" for name, value in selector.items())
        path = f"/api/v1/namespaces/{self.cluster.serving_namespace}/pods"
        return list(self._request("GET", path, query=[("labelSelector", text)])["items"])

    def _trouble(self, selector: dict[str, str]) -> tuple[str, bool]:
        for pod in self._pods(selector):
            for each in pod["status"].get("containerStatuses", []):
                waiting, last = each["state"].get("waiting"), each.get("lastState", {}).get("terminated")
                code = (waiting or {}).get("reason")
                if last:
                    end = f"exit code {last.get('exitCode')} ({last.get('reason')})"
                    return f"{code or 'restarted'}: {end}", code == _CRASHES
                if waiting and code != "ContainerCreating":
                    return f"{code}: {waiting.get('message', '')}", code == _CRASHES
            for condition in pod["status"].get("conditions", []):
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    return f"{condition.get('reason')}: {condition.get('message')}", False
        return "starting", False

    def _call(
        self,
        method: str,
        kind: str,
        name: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: list[tuple[str, str]] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
        path = _PATHS[kind].format(namespace=self.cluster.serving_namespace) + (f"/{name}" if name else "")
        return self._request(method, path, body, content_type, query)

    def _request(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        content_type: str = "application/json",
        query: list[tuple[str, str]] | None = None,
        accept: str = "application/json",
    ) -> Any:  # noqa: ANN401 - JSON
        try:
            answer = self._api.call_api(
                path,
                method,
                query_params=query or [],
                header_params={"Accept": accept, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=_REQUEST_SECONDS,
            )
        except ApiException as error:
            raise _error(error, path) from error
        except HTTPError as error:
            raise TransientError(
                f"the API server does not answer: {error}",
                where=path,
                rule="the API server is reached",
                remedy="the task is retried; the versions that serve go on",
            ) from error
        text = answer.data.decode()
        return json.loads(text) if accept == "application/json" else text


def _error(error: ApiException, path: str) -> StepError:
    if error.status == 404:
        return NotFoundError("it is not there", where=path, rule="the object exists", remedy="apply it first")
    message = str(error.body or error.reason)[:500]
    rule = "the API server takes the request"
    if error.status in (403, 422, 400):
        return BadInputError(
            f"{error.status}: {message}", where=path, rule=rule, remedy="give the role its verb, or correct the object"
        )
    return TransientError(f"{error.status}: {message}", where=path, rule=rule, remedy="the task is retried")
