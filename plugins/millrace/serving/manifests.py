"""Kubernetes manifests of model servers: Services, Deployments, autoscalers and disruption budgets."""

import re
from typing import Any

from millrace.contracts.cluster import HADOOP_FOLDER, Cluster
from millrace.contracts.restricted import container_security, pod_security
from millrace.contracts.run_spec import SPEC_FILE
from millrace.contracts.workload import ServingPolicy
from millrace.storage import files

Manifest = dict[str, Any]

WORKLOAD_LABEL = "millrace/workload"
VERSION_LABEL = "millrace/version"
PORT = 8443
SECRETS_FOLDER = "/etc/millrace/serving"
_DRAIN_SECONDS = 5
_SETTLE_SECONDS = 300


def service_name(workload: str, version: str = "") -> str:
    """Return the name of a workload's service, or of a version's, as a DNS label of at most 63 characters."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{workload}-{version}".lower()).strip("-")
    return (name if name[0].isalpha() else f"m-{name}")[:63].rstrip("-")


def labels(workload: str, version: str = "") -> dict[str, str]:
    """Return the labels that select a workload's pods, or one version's."""
    return {WORKLOAD_LABEL: workload} | ({VERSION_LABEL: version} if version else {})


def service(cluster: Cluster, workload: str, version: str, selected: str) -> Manifest:
    """Return a Service for the pods of the version ``selected``, or for all the workload's pods if that is empty.

    ``version`` is empty for the workload's own service, whose name and address never change.
    """
    return object_of("v1", "Service", cluster, service_name(workload, version), workload, version) | {
        "spec": {
            "type": "ClusterIP",
            "selector": labels(workload, selected),
            "ports": [
                {
                    "name": "https" if cluster.serving_tls else "http",
                    "port": PORT,
                    "targetPort": PORT,
                    "protocol": "TCP",
                }
            ],
        }
    }


def deployment(cluster: Cluster, workload: str, version: str, policy: ServingPolicy, spec_uri_folder: str) -> Manifest:
    """Return the Deployment of one version's servers, without ``replicas``: the autoscaler or the rollout sets them."""
    chosen = labels(workload, version)
    return object_of("apps/v1", "Deployment", cluster, service_name(workload, version), workload, version) | {
        "spec": {
            "selector": {"matchLabels": chosen},
            "progressDeadlineSeconds": _SETTLE_SECONDS,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {
                    "labels": {**_common("millrace-server"), **chosen},
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(PORT),
                        "prometheus.io/scheme": _scheme(cluster).lower(),
                    },
                },
                "spec": pod(cluster, workload, policy, spec_uri_folder),
            },
        }
    }


def autoscaler(cluster: Cluster, workload: str, version: str, suspended: bool = False) -> Manifest:
    """Return an autoscaler with a target of 70 % of the CPU request; a rollout suspends it and sets the replicas."""
    behaviour = {"selectPolicy": "Disabled"} if suspended else {"selectPolicy": "Max"}
    return object_of(
        "autoscaling/v2", "HorizontalPodAutoscaler", cluster, service_name(workload, version), workload, version
    ) | {
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": service_name(workload, version),
            },
            "minReplicas": 1,
            "maxReplicas": cluster.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
            "behavior": {
                "scaleUp": {**behaviour, "stabilizationWindowSeconds": 0},
                "scaleDown": {**behaviour, "stabilizationWindowSeconds": 60},
            },
        }
    }


def disruption_budget(cluster: Cluster, workload: str) -> Manifest:
    """Return a disruption budget: an eviction, as of a drained node, takes one server at a time."""
    return object_of("policy/v1", "PodDisruptionBudget", cluster, service_name(workload), workload) | {
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(workload)}}
    }


def pod(cluster: Cluster, workload: str, policy: ServingPolicy, folder: str) -> Manifest:
    """Return the restricted pod specification of a server, without a service account token.

    ``folder`` has the server's spec and serving target.
    """
    scheme = _scheme(cluster)
    secret = cluster.serving_tls or cluster.serving_token
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - the container's own
    if secret:
        volumes.append({"name": "serving", "secret": {"secretName": cluster.serving_secret, "defaultMode": 0o440}})
        mounts.append({"name": "serving", "mountPath": SECRETS_FOLDER, "readOnly": True})
    if cluster.hadoop_secret:
        volumes.append({"name": "hadoop", "secret": {"secretName": cluster.hadoop_secret, "defaultMode": 0o440}})
        mounts.append({"name": "hadoop", "mountPath": HADOOP_FOLDER, "readOnly": True})

    def probe(path: str, **fields: int) -> Manifest:
        return {"httpGet": {"path": path, "port": PORT, "scheme": scheme}, "timeoutSeconds": 5, **fields}

    spec: Manifest = {
        "serviceAccountName": "millrace-server",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _DRAIN_SECONDS + round(policy.max_request_seconds) + 10,
        "securityContext": pod_security(),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(workload)},
            }
        ],
        "containers": [
            {
                "name": "server",
                "image": cluster.image("serve"),
                "imagePullPolicy": cluster.image_pull_policy,
                "args": ["--spec", files.join(folder, SPEC_FILE), "--verify-key", cluster.verify_key],
                "envFrom": [{"secretRef": {"name": cluster.storage_secret}}],
                "ports": [{"name": "infer", "containerPort": PORT, "protocol": "TCP"}],
                "resources": {
                    "requests": {"cpu": cluster.serving_cpu, "memory": cluster.serving_memory},
                    "limits": {"memory": cluster.serving_memory},
                },
                "securityContext": container_security(),
                "startupProbe": probe("/v2/health/ready", periodSeconds=1, failureThreshold=_SETTLE_SECONDS),
                "readinessProbe": probe("/v2/health/ready", periodSeconds=2, failureThreshold=2),
                "livenessProbe": probe("/v2/health/live", periodSeconds=10, failureThreshold=3),
                # the pod leaves the endpoints before it gets SIGTERM and finishes its open requests
                "lifecycle": {"preStop": {"sleep": {"seconds": _DRAIN_SECONDS}}},
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
    if cluster.hadoop_secret:
        spec["containers"][0]["env"] = [{"name": "HADOOP_CONF_DIR", "value": HADOOP_FOLDER}]
    if cluster.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in cluster.image_pull_secrets]
    return spec


def object_of(api: str, kind: str, cluster: Cluster, name: str, workload: str, version: str = "") -> Manifest:
    """Return an object of the serving namespace with its name and labels, without a spec."""
    metadata = {
        "name": name,
        "namespace": cluster.serving_namespace,
        "labels": {**_common("millrace-server"), **labels(workload, version)},
    }
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


def _scheme(cluster: Cluster) -> str:
    return "HTTPS" if cluster.serving_tls else "HTTP"


def _common(name: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "serving",
        "app.kubernetes.io/part-of": "millrace",
        "app.kubernetes.io/managed-by": "millrace",
    }
