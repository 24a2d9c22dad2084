"""Worker group: several pods for one step, as an Indexed Job with a headless Service for the workers' DNS names."""

import copy

from kubernetes.client import models as k8s

from millrace.contracts.cluster import Cluster
from millrace.contracts.run_spec import WORKERS_FOLDER, RunSpec, WorkerGroup
from millrace.launchers.kubernetes import QUEUE_LABEL
from millrace.storage import files

JOB_LABEL = "batch.kubernetes.io/job-name"
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
PORT = 8476
# lifetime of a finished job that Airflow did not delete
_FINISHED_SECONDS = 600


def worker_specs(spec: RunSpec, job: str, cluster: Cluster) -> dict[str, RunSpec]:
    """Return each worker's step spec by the URI from which its pod reads it. The leader's folder is the attempt's."""
    specs = {}
    for index in range(spec.workers):
        own = files.join(spec.attempt_uri, WORKERS_FOLDER, str(index))
        worker_group = WorkerGroup(
            workers=spec.workers,
            index=index,
            coordinator=f"{job}-0.{job}.{cluster.namespace}.svc:{PORT}",
            join_seconds=cluster.start_timeout_seconds,
        )
        update = {"worker_group": worker_group, "attempt_uri": own if index else spec.attempt_uri}
        specs[f"{own}.json"] = spec.model_copy(update=update)
    return specs


def group_job(pod: k8s.V1Pod, spec: RunSpec) -> k8s.V1Job:
    """Return a job with the name of ``pod``; its pods differ from ``pod`` in their step spec only.

    If one pod fails, the job ends all of them.
    """
    name = pod.metadata.name
    template = copy.deepcopy(pod)
    labels = template.metadata.labels
    queue = {QUEUE_LABEL: labels.pop(QUEUE_LABEL)} if QUEUE_LABEL in labels else {}
    template.spec.subdomain = name
    own_spec = files.join(spec.attempt_uri, WORKERS_FOLDER, "$(JOB_COMPLETION_INDEX).json")
    template.spec.containers[0].args = ["--spec", own_spec]
    return k8s.V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=k8s.V1ObjectMeta(name=name, namespace=pod.metadata.namespace, labels={**labels, **queue}),
        spec=k8s.V1JobSpec(
            completions=spec.workers,
            parallelism=spec.workers,
            completion_mode="Indexed",
            # a worker cannot join a running training: all workers start again from the checkpoint
            backoff_limit=0,
            pod_replacement_policy="Failed",
            ttl_seconds_after_finished=_FINISHED_SECONDS,
            template=k8s.V1PodTemplateSpec(
                metadata=k8s.V1ObjectMeta(labels=labels, annotations=template.metadata.annotations),
                spec=template.spec,
            ),
        ),
    )


def group_service(job: k8s.V1Job) -> k8s.V1Service:
    """Return the headless Service of ``job``: DNS names for its pods before they are ready; the job owns it."""
    name = job.metadata.name
    owner = k8s.V1OwnerReference(api_version="batch/v1", kind="Job", name=name, uid=job.metadata.uid)
    return k8s.V1Service(
        api_version="v1",
        kind="Service",
        metadata=k8s.V1ObjectMeta(name=name, namespace=job.metadata.namespace, owner_references=[owner]),
        spec=k8s.V1ServiceSpec(
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector={JOB_LABEL: name},
            ports=[k8s.V1ServicePort(name="workers", port=PORT)],
        ),
    )
