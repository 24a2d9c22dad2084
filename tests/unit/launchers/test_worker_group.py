"""Worker groups of pods: the job, its specs and its service."""

from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from millrace.contracts.run_spec import RunSpec
from millrace.launchers import kubernetes, worker_group
from millrace.settings import KubernetesSettings, Settings
from millrace.sizing.requests import Request


@pytest.fixture
def group_spec(spec: RunSpec) -> RunSpec:
    dataset = {"workload": "flowers", "uri": "s3://bucket/table", "version": 1, "until": "2026-01-01"}
    task = {"kind": "train", "dataset": dataset, "base_model": None}
    parameters = spec.parameters.model_copy(update={"workers": 3})
    given = {**spec.model_dump(), "task": task, "parameters": parameters, "attempt_uri": "s3://bucket/try-1"}
    return RunSpec.model_validate(given)


def job_of(group_spec: RunSpec, queue: str = "") -> k8s.V1Job:
    cluster = KubernetesSettings(queue=queue)
    given = {**cluster.model_dump(), "stop_grace_seconds": 10, "verify_key": ""}
    pod = kubernetes.step_pod(type(Settings().cluster())(**given), "train", group_spec, Request(1, 1 << 30, 1, "GPU"))
    pod.metadata.name = "flowers-train-x1"
    return worker_group.group_job(pod, group_spec)


def test_every_worker_has_a_spec_of_its_own_and_the_leaders_attempt_is_the_groups(group_spec: RunSpec) -> None:
    specs = worker_group.worker_specs(group_spec, "flowers-train-x1", Settings().cluster())
    assert list(specs) == [f"s3://bucket/try-1/workers/{index}.json" for index in range(3)]
    made = list(specs.values())
    assert [each.attempt_uri for each in made] == [
        "s3://bucket/try-1", "s3://bucket/try-1/workers/1", "s3://bucket/try-1/workers/2"
    ]  # fmt: skip
    assert {each.state_uri for each in made} == {group_spec.state_uri}
    assert {each.worker_group.coordinator for each in made if each.worker_group} == {
        "flowers-train-x1-0.flowers-train-x1.millrace-steps.svc:8476"
    }


def test_the_job_is_indexed_and_one_lost_pod_ends_it(group_spec: RunSpec) -> None:
    rendered: dict[str, Any] = ApiClient().sanitize_for_serialization(job_of(group_spec))
    spec = rendered["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (3, 3, "Indexed")
    assert (spec["backoffLimit"], spec["podReplacementPolicy"]) == (0, "Failed")
    pod = spec["template"]["spec"]
    assert pod["containers"][0]["args"] == ["--spec", "s3://bucket/try-1/workers/$(JOB_COMPLETION_INDEX).json"]
    assert pod["subdomain"] == rendered["metadata"]["name"] == "flowers-train-x1"
    assert pod["restartPolicy"] == "Never"


def test_a_queue_takes_the_job_and_not_each_pod(group_spec: RunSpec) -> None:
    job = job_of(group_spec, queue="gpus")
    assert job.metadata.labels[kubernetes.QUEUE_LABEL] == "gpus"
    assert kubernetes.QUEUE_LABEL not in job.spec.template.metadata.labels


def test_the_service_names_pods_that_are_not_ready_and_goes_with_the_job(group_spec: RunSpec) -> None:
    job = job_of(group_spec)
    job.metadata.uid = "u"
    service: dict[str, Any] = ApiClient().sanitize_for_serialization(worker_group.group_service(job))
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": "flowers-train-x1"}
    assert service["metadata"]["ownerReferences"][0]["uid"] == "u"
