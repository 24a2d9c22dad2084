"""Pods for steps: their specifications and what their statuses say."""

from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from millrace.contracts.cluster import Cluster
from millrace.contracts.run_spec import RunSpec
from millrace.launchers import kubernetes
from millrace.settings import Settings
from millrace.sizing.requests import Request


@pytest.fixture
def cluster() -> Cluster:
    return Settings().cluster()


@pytest.fixture
def step_spec(spec: RunSpec) -> RunSpec:
    dataset = {"workload": "flowers", "uri": "s3://bucket/table", "version": 1, "until": "2026-01-01"}
    task = {"kind": "train", "dataset": dataset, "base_model": None}
    return RunSpec.model_validate({**spec.model_dump(), "task": task})


def rendered(pod: k8s.V1Pod) -> dict[str, Any]:
    return dict(ApiClient().sanitize_for_serialization(pod))


def restricted(spec: dict[str, Any]) -> list[str]:
    """What the restricted Pod Security profile would refuse, by its rules (Kubernetes 1.34)."""
    pod = spec.get("securityContext", {})
    found = [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    allowed = {"emptyDir", "configMap", "secret", "projected", "downwardAPI", "csi", "ephemeral"}
    found += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not set(volume) - {"name"} <= allowed]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext", {})
        both = {**pod, **own}
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            found.append("privilege escalation")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
            found.append("capabilities")
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            found.append("root")
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append("seccomp")
        if any("hostPort" in port for port in container.get("ports", [])):
            found.append("host port")
    return found


def test_the_check_for_the_restricted_profile_can_fail() -> None:
    assert set(restricted({"containers": [{}], "hostNetwork": True, "volumes": [{"name": "x", "hostPath": {}}]})) == {
        "hostNetwork is set", "volume x", "privilege escalation", "capabilities", "root", "seccomp"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["train", "ingest"])
def test_a_step_is_restricted_and_has_no_token_and_no_secret_of_its_own(
    cluster: Cluster, step_spec: RunSpec, kind: str
) -> None:
    spec = step_spec if kind == "train" else ingest_spec(step_spec)
    pod = rendered(kubernetes.step_pod(cluster, "train", spec, Request(1, 1 << 30, 1, "H100")))["spec"]
    assert restricted(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert "env" not in pod["containers"][0]
    assert pod["containers"][0]["args"] == ["--spec", f"{spec.attempt_uri}/spec.json"]
    assert pod["restartPolicy"] == "Never"


def ingest_spec(spec: RunSpec) -> RunSpec:
    task = {"kind": "ingest", "window": {"first": "2026-01-01", "last": "2026-01-01"}}
    return RunSpec.model_validate({**spec.model_dump(), "task": task})


def test_training_asks_for_its_gpus_where_they_are(cluster: Cluster, step_spec: RunSpec) -> None:
    request = Request(cores=4, memory_bytes=3 << 30, gpus=2, gpu="NVIDIA-H100-80GB-HBM3")
    pod = rendered(kubernetes.step_pod(cluster, "train", step_spec, request))
    assert pod["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert pod["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in pod["spec"]["containers"][0]["volumeMounts"]
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert kubernetes.resources(cluster, request) == {
        "requests": {"cpu": "4", "memory": "3072Mi", "nvidia.com/gpu": "2"},
        "limits": {"memory": "3072Mi", "nvidia.com/gpu": "2"},
    }


def test_the_sites_conventions_are_kept(monkeypatch: pytest.MonkeyPatch, step_spec: RunSpec) -> None:
    for name, value in {
        "IMAGES": "hub.example/{image}:1",
        "IMAGE_PULL_SECRETS": '["pull"]',
        "QUEUE": "gpus",
        "PRIORITY_CLASS": "batch",
        "RUNTIME_CLASS": "nvidia",
        "GPU_RESOURCE": "amd.com/gpu",
        "TOLERATIONS": '[{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]',
    }.items():
        monkeypatch.setenv(f"MILLRACE_KUBERNETES_{name}", value)
    cluster = Settings().cluster()
    request = Request(1, 1 << 30, 1, "MI300X")
    pod = rendered(kubernetes.step_pod(cluster, "train", step_spec, request))
    assert pod["spec"]["containers"][0]["image"] == "hub.example/train:1"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert (pod["spec"]["priorityClassName"], pod["spec"]["runtimeClassName"]) == ("batch", "nvidia")
    assert pod["spec"]["tolerations"][0] == {
        "key": "kwok.x-k8s.io/node", "operator": "Equal", "value": "fake", "effect": "NoSchedule"
    }  # fmt: skip
    assert kubernetes.resources(cluster, request)["limits"]["amd.com/gpu"] == "1"


def status(**fields: Any) -> k8s.V1Pod:
    limits = {"memory": "1024Mi"}
    container = k8s.V1Container(name="base", resources=k8s.V1ResourceRequirements(limits=limits))
    metadata = k8s.V1ObjectMeta(name="pod", deletion_timestamp=fields.pop("deleted", None))
    state = fields.pop("state", None)
    if state is not None:
        fields["container_statuses"] = [
            k8s.V1ContainerStatus(
                name="base", image="i", image_id="", ready=False, restart_count=0, state=k8s.V1ContainerState(**state)
            )
        ]
    return k8s.V1Pod(metadata=metadata, spec=k8s.V1PodSpec(containers=[container]), status=k8s.V1PodStatus(**fields))


def condition(kind: str, value: str, reason: str) -> k8s.V1PodCondition:
    return k8s.V1PodCondition(type=kind, status=value, reason=reason, message="why")


def terminated(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": k8s.V1ContainerStateTerminated(exit_code=code, reason=reason)}


@pytest.mark.parametrize(
    ("pod", "kind", "said"),
    [
        (None, "disrupted", "deleted"),
        (status(phase="Failed", state=terminated(137, "OOMKilled")), "oom", "1024Mi"),
        (status(phase="Failed", state=terminated(1)), "ended", "exit code 1"),
        (status(phase="Failed", state=terminated(143), deleted="now"), "disrupted", "deleted"),
        (status(phase="Failed", reason="Evicted", message="node was low"), "disrupted", "node was low"),
        (
            status(
                phase="Failed",
                state=terminated(137),
                conditions=[condition("DisruptionTarget", "True", "PreemptionByScheduler")],
            ),
            "disrupted",
            "PreemptionByScheduler",
        ),
        (
            status(phase="Pending", conditions=[condition("PodScheduled", "False", "Unschedulable")]),
            "not_started",
            "Unschedulable: why",
        ),
        (
            status(
                phase="Pending",
                state={"waiting": k8s.V1ContainerStateWaiting(reason="ErrImagePull", message="no such image")},
            ),
            "not_started",
            "no such image",
        ),
        (status(phase="Pending"), "not_started", "did not start"),
    ],
)
def test_a_pods_end_is_read_from_its_status(pod: k8s.V1Pod | None, kind: str, said: str) -> None:
    end = kubernetes.pod_end(pod)
    assert end.kind == kind
    assert said in end.reason


def test_the_limit_is_read_back(cluster: Cluster) -> None:
    assert kubernetes.memory_limit_bytes(status()) == 1 << 30
    assert kubernetes.memory_limit_bytes(None) is None


def test_hadoop_s_files_are_mounted_where_a_secret_is_named(cluster: Cluster, step_spec: RunSpec) -> None:
    named = cluster.model_copy(update={"hadoop_secret": "hadoop"})
    pod = rendered(kubernetes.step_pod(named, "data", step_spec, Request(1, 1 << 30, 0, None)))["spec"]
    assert restricted(pod) == []
    assert {"name": "HADOOP_CONF_DIR", "value": "/etc/millrace/hadoop"} in pod["containers"][0]["env"]
    assert "hadoop" in [volume.get("secret", {}).get("secretName") for volume in pod["volumes"]]
