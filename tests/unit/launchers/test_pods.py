"""The pods of an order are found and ended, a worker group with its job, and no other order's."""

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from millrace.contracts.run_spec import SPEC_FILE, RunSpec
from millrace.launchers import pods
from millrace.launchers.kubernetes import SPEC_ANNOTATION
from millrace.launchers.pods import StepPods
from millrace.launchers.worker_group import JOB_LABEL
from millrace.settings import Settings
from millrace.storage import files


class Namespace:
    """Pods that take a few looks to end once they are deleted."""

    def __init__(self) -> None:
        self.pods: dict[str, k8s.V1Pod] = {}
        self.looks_left: dict[str, int] = {}
        self.asked: list[str] = []

    def add(self, name: str, order: RunSpec, phase: str = "Running", job: str | None = None) -> None:
        metadata = k8s.V1ObjectMeta(
            name=name,
            namespace="millrace-steps",
            annotations={SPEC_ANNOTATION: files.join(order.attempt_uri, SPEC_FILE)},
            labels={JOB_LABEL: job} if job else {},
        )
        self.pods[name] = k8s.V1Pod(metadata=metadata, status=k8s.V1PodStatus(phase=phase))

    def list_namespaced_pod(self, namespace: str, label_selector: str) -> Any:
        assert "app.kubernetes.io/name=millrace-step" in label_selector
        for name in list(self.looks_left):
            self.looks_left[name] -= 1
            if self.looks_left[name] < 0:
                self.pods.pop(name, None)
        return SimpleNamespace(items=[pod for pod in self.pods.values() if pod.metadata.namespace == namespace])

    def delete_namespaced_pod(self, name: str, _namespace: str) -> None:
        self._end(name, [name])

    def delete_namespaced_job(self, name: str, _namespace: str, propagation_policy: str) -> None:
        assert propagation_policy == "Background"
        self._end(name, [pod for pod, each in self.pods.items() if each.metadata.labels.get(JOB_LABEL) == name])

    def _end(self, name: str, ended: list[str]) -> None:
        if name in self.asked:
            raise ApiException(status=404)
        self.asked.append(name)
        for pod in ended:
            self.pods[pod].metadata.deletion_timestamp = "now"
            self.looks_left[pod] = 2


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    found = Namespace()
    monkeypatch.setattr(client, "CoreV1Api", lambda _: found)
    monkeypatch.setattr(client, "BatchV1Api", lambda _: found)
    monkeypatch.setattr(pods, "_LOOK_SECONDS", 0.0)
    return found


def step_pods() -> StepPods:
    return StepPods(Settings().cluster(), client.ApiClient())


def test_an_orders_pod_is_ended_and_waited_for_and_no_others(spec: RunSpec, namespace: Namespace) -> None:
    other = spec.model_copy(update={"attempt_uri": f"{spec.attempt_uri}-restart-1"})
    namespace.add("mine", spec)
    namespace.add("finished", spec, "Succeeded")
    namespace.add("next", other)
    assert step_pods().at_work(spec.attempt_uri) == "pod:millrace-steps/mine"
    step_pods().end(spec.attempt_uri)
    assert namespace.asked == ["mine"]
    assert set(namespace.pods) == {"finished", "next"}
    assert step_pods().at_work(spec.attempt_uri) is None
    assert step_pods().at_work(other.attempt_uri) == "pod:millrace-steps/next"


def test_a_worker_group_ends_with_its_job(spec: RunSpec, namespace: Namespace) -> None:
    namespace.add("leader", spec, job="worker_group")
    namespace.add("follower", spec, job="worker_group")
    step_pods().end(spec.attempt_uri)
    assert namespace.asked == ["worker_group"]
    assert not namespace.pods


def test_a_pod_that_does_not_end_is_given_up_after_its_grace(
    spec: RunSpec, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace.add("stubborn", spec)
    monkeypatch.setattr(Namespace, "_end", lambda self, name, _: self.asked.append(name))
    monkeypatch.setattr(pods, "_MARGIN_SECONDS", -1e6)
    step_pods().end(spec.attempt_uri)
    assert namespace.asked == ["stubborn"]
