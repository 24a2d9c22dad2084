"""Build the SparkApplication (Spark operator) that runs a step; this module calls no API."""

from typing import Any

from millrace.contracts.cluster import HADOOP_FOLDER, Cluster
from millrace.contracts.restricted import container_security, pod_security
from millrace.contracts.run_spec import SPEC_FILE, RunSpec
from millrace.launchers.kubernetes import spec_annotations, step_labels
from millrace.sizing.requests import Request
from millrace.storage import files

SPARK_VERSION = "4.1.4"
_PROGRAM = "local:///opt/millrace/launch.py"


def spark_application(cluster: Cluster, spec: RunSpec, request: Request) -> dict[str, Any]:
    """Return a SparkApplication: the driver runs the step; the cluster's settings give the number of executors.

    Driver and executors each get the resources of ``request``: half of the memory for the JVM, half for Python. Only
    the driver has a service account, which starts the executors.
    """
    jvm = f"{request.memory_bytes // 2 >> 20}m"
    pod = {
        "cores": request.cores,
        "memory": jvm,
        "memoryOverhead": jvm,
        "labels": step_labels(spec),
        "env": [{"name": "HADOOP_CONF_DIR", "value": HADOOP_FOLDER}] if cluster.hadoop_secret else [],
        "envFrom": [{"secretRef": {"name": cluster.storage_secret}}],
        "podSecurityContext": pod_security(),
        "securityContext": container_security(),
        "volumeMounts": _mounts(cluster),
        "tolerations": list(cluster.tolerations),
    }
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"namespace": cluster.spark_namespace, "labels": step_labels(spec)},
        "spec": {
            "type": "Python",
            "pythonVersion": "3",
            "mode": "cluster",
            "sparkVersion": SPARK_VERSION,
            "image": cluster.image("spark"),
            "imagePullPolicy": cluster.image_pull_policy,
            "imagePullSecrets": list(cluster.image_pull_secrets),
            "mainApplicationFile": _PROGRAM,
            "arguments": ["--spec", files.join(spec.attempt_uri, SPEC_FILE)],
            # Airflow retries; each attempt has its own folder
            "restartPolicy": {"type": "Never"},
            "volumes": _volumes(cluster),
            "driver": {
                **pod,
                "annotations": spec_annotations(spec),
                "serviceAccount": cluster.spark_service_account,
            },
            "executor": {**pod, "instances": cluster.spark_executors, "deleteOnTermination": True},
        },
    }


def _volumes(cluster: Cluster) -> list[dict[str, Any]]:
    secret = {"secretName": cluster.hadoop_secret, "defaultMode": 0o440}
    hadoop = [{"name": "hadoop", "secret": secret}] if cluster.hadoop_secret else []
    return [{"name": "tmp", "emptyDir": {}}, *hadoop]


def _mounts(cluster: Cluster) -> list[dict[str, Any]]:
    hadoop = [{"name": "hadoop", "mountPath": HADOOP_FOLDER, "readOnly": True}] if cluster.hadoop_secret else []
    return [{"name": "tmp", "mountPath": "/tmp"}, *hadoop]  # noqa: S108 - the container's own
