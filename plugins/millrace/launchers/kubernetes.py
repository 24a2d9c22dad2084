"""Build pod specifications for steps and read pod statuses; this module calls no API."""

from dataclasses import dataclass
from typing import Literal

from kubernetes.client import models as k8s

from millrace.contracts.cluster import HADOOP_FOLDER, Cluster
from millrace.contracts.restricted import container_security, pod_security
from millrace.contracts.run_spec import SPEC_FILE, RunSpec
from millrace.sizing.requests import Request
from millrace.storage import files

CONTAINER = "base"
SPEC_ANNOTATION = "millrace/spec"
DIGEST_ANNOTATION = "millrace/spec-sha256"
STEP_LABEL = "app.kubernetes.io/name=millrace-step"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
_SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
_NOT_PULLED = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError",
)  # fmt: skip

Kind = Literal["ended", "oom", "disrupted", "not_started"]


@dataclass(frozen=True)
class PodEnd:
    """How a pod ended, by its status only; whether the step succeeded is decided by its report."""

    kind: Kind
    reason: str
    exit_code: int | None = None


def step_pod(cluster: Cluster, image: str, spec: RunSpec, request: Request) -> k8s.V1Pod:
    """Return the pod of one attempt, without resources: the operator's templated field has them, see ``resources``.

    It satisfies the restricted Pod Security profile, mounts no service account token and writes only to /tmp and, for
    training, to shared memory.
    """
    step = spec.task.kind
    training = step == "train"
    uri = files.join(spec.attempt_uri, SPEC_FILE)
    labels = step_labels(spec)
    if training and cluster.queue:
        labels[QUEUE_LABEL] = cluster.queue
    # an autoscaler that drains a node would lose the work since the last checkpoint
    annotations = spec_annotations(spec) | ({_SAFE_TO_EVICT: "false"} if training else {})
    volumes, mounts = _scratch(cluster.shared_memory_bytes if training else 0)
    if cluster.hadoop_secret:
        source = k8s.V1SecretVolumeSource(secret_name=cluster.hadoop_secret, default_mode=0o440)
        volumes.append(k8s.V1Volume(name="hadoop", secret=source))
        mounts.append(k8s.V1VolumeMount(name="hadoop", mount_path=HADOOP_FOLDER, read_only=True))
    return k8s.V1Pod(
        api_version="v1",
        kind="Pod",
        metadata=k8s.V1ObjectMeta(namespace=cluster.namespace, labels=labels, annotations=annotations),
        spec=k8s.V1PodSpec(
            containers=[
                k8s.V1Container(
                    name=CONTAINER,
                    image=cluster.image(image),
                    image_pull_policy=cluster.image_pull_policy,
                    args=["--spec", uri],
                    env=[k8s.V1EnvVar("HADOOP_CONF_DIR", HADOOP_FOLDER)] if cluster.hadoop_secret else None,
                    env_from=[k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=cluster.storage_secret))],
                    security_context=container_security(),
                    termination_message_policy="FallbackToLogsOnError",
                    volume_mounts=mounts,
                )
            ],
            volumes=volumes,
            restart_policy="Never",
            service_account_name=cluster.service_account,
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security(),
            termination_grace_period_seconds=round(cluster.stop_grace_seconds),
            image_pull_secrets=[k8s.V1LocalObjectReference(name=name) for name in cluster.image_pull_secrets] or None,
            node_selector={cluster.gpu_product_label: request.gpu} if request.gpus and request.gpu else None,
            tolerations=_tolerations(cluster, request),
            affinity=_packed() if training else None,
            priority_class_name=(cluster.priority_class or None) if training else None,
            runtime_class_name=(cluster.runtime_class or None) if request.gpus else None,
        ),
    )


def spec_annotations(spec: RunSpec) -> dict[str, str]:
    """Return annotations with the URI and the SHA-256 of the pod's step spec; others may write to the store."""
    return {SPEC_ANNOTATION: files.join(spec.attempt_uri, SPEC_FILE), DIGEST_ANNOTATION: spec.sha256}


def step_labels(spec: RunSpec) -> dict[str, str]:
    """Return labels with the pod's workload, team and step."""
    name, _, value = STEP_LABEL.partition("=")
    return {
        name: value,
        "app.kubernetes.io/component": spec.task.kind,
        "app.kubernetes.io/part-of": "millrace",
        "app.kubernetes.io/managed-by": "airflow",
        "millrace/workload": spec.workload.name,
        "millrace/team": spec.workload.team,
    }


def resources(cluster: Cluster, request: Request) -> dict[str, dict[str, str]]:
    """Return requests and limits in Kubernetes' notation; cores have no limit."""
    gpus = {cluster.gpu_resource: str(request.gpus)} if request.gpus else {}
    memory = {"memory": f"{request.memory_bytes >> 20}Mi", **gpus}
    return {"requests": {"cpu": str(request.cores), **memory}, "limits": memory}


def at_work(pod: k8s.V1Pod) -> bool:
    """Return whether a pod has neither ended nor been marked for deletion."""
    return pod.status.phase not in ("Succeeded", "Failed") and pod.metadata.deletion_timestamp is None


def pod_end(pod: k8s.V1Pod | None) -> PodEnd:
    """Return why a pod ended or did not start; ``None`` stands for a deleted pod."""
    if pod is None:
        return PodEnd("disrupted", "the pod was deleted")
    status = pod.status or k8s.V1PodStatus()
    conditions = {each.type: each for each in status.conditions or []}
    container = next((each for each in status.container_statuses or [] if each.name == CONTAINER), None)
    state = container.state if container else None
    if state and state.terminated:
        code = state.terminated.exit_code
        if state.terminated.reason == "OOMKilled":
            return PodEnd("oom", f"killed for want of memory (limit {_memory_limit(pod)})", code)
        if (disrupted := _disruption(pod, conditions)) is not None:
            return PodEnd("disrupted", disrupted, code)
        return PodEnd("ended", f"the container ended with exit code {code} and left no report", code)
    if (disrupted := _disruption(pod, conditions)) is not None:
        return PodEnd("disrupted", disrupted)
    if container and state and state.waiting and state.waiting.reason in _NOT_PULLED:
        return PodEnd("not_started", f"{state.waiting.reason}: {state.waiting.message or container.image}")
    scheduled = conditions.get("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return PodEnd("not_started", f"{scheduled.reason}: {scheduled.message}")
    if status.phase == "Pending":
        waiting = state.waiting.reason if state and state.waiting else "Pending"
        return PodEnd("not_started", f"{waiting}: the pod was scheduled and its container did not start")
    return PodEnd("disrupted", status.reason or "the pod's status says nothing")


def _disruption(pod: k8s.V1Pod, conditions: dict[str, k8s.V1PodCondition]) -> str | None:
    target = conditions.get("DisruptionTarget")
    if target is not None and target.status == "True":
        return f"{target.reason}: {target.message}"
    if pod.status.reason in ("Evicted", "Preempting", "NodeLost", "NodeShutdown", "Terminated"):
        return f"{pod.status.reason}: {pod.status.message}"
    if pod.metadata and pod.metadata.deletion_timestamp:
        return "the pod was deleted"
    return None


def _memory_limit(pod: k8s.V1Pod) -> str:
    return str((pod.spec.containers[0].resources.limits or {}).get("memory", "unknown"))


def memory_limit_bytes(pod: k8s.V1Pod | None) -> int | None:
    """Return the memory limit of the step's container, which ``resources`` writes in MiB; None if there is none."""
    text = _memory_limit(pod) if pod is not None and pod.spec.containers[0].resources else ""
    return int(text.removesuffix("Mi")) << 20 if text.endswith("Mi") else None


def _tolerations(cluster: Cluster, request: Request) -> list[k8s.V1Toleration] | None:
    given = [
        k8s.V1Toleration(
            key=each.get("key"),
            operator=each.get("operator", "Equal" if "value" in each else "Exists"),
            value=each.get("value"),
            effect=each.get("effect"),
        )
        for each in cluster.tolerations
    ]
    if request.gpus:
        given.append(k8s.V1Toleration(key=cluster.gpu_resource, operator="Exists", effect="NoSchedule"))
    return given or None


def _packed() -> k8s.V1Affinity:
    """Return an affinity that places training pods together, so that whole nodes stay free for jobs with many GPUs."""
    term = k8s.V1PodAffinityTerm(
        label_selector=k8s.V1LabelSelector(match_labels={"app.kubernetes.io/component": "train"}),
        topology_key="kubernetes.io/hostname",
    )
    preferred = k8s.V1WeightedPodAffinityTerm(weight=50, pod_affinity_term=term)
    return k8s.V1Affinity(
        pod_affinity=k8s.V1PodAffinity(preferred_during_scheduling_ignored_during_execution=[preferred])
    )


def _scratch(shared_memory_bytes: int) -> tuple[list[k8s.V1Volume], list[k8s.V1VolumeMount]]:
    volumes = [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())]
    mounts = [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")]  # noqa: S108 - the container's own
    if shared_memory_bytes:
        memory = k8s.V1EmptyDirVolumeSource(medium="Memory", size_limit=str(shared_memory_bytes))
        volumes.append(k8s.V1Volume(name="shared-memory", empty_dir=memory))
        mounts.append(k8s.V1VolumeMount(name="shared-memory", mount_path="/dev/shm"))  # noqa: S108
    return volumes, mounts
