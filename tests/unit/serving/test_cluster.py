"""What a Deployment's pods say of themselves, and which of it ends a rollout."""

from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from millrace.contracts.errors import TransientError
from millrace.serving.cluster import ServingCluster


def pods(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], last: dict[str, Any] | None = None) -> ServingCluster:
    """A cluster with one Deployment of two replicas, one of which is not ready for what its container's state says."""
    container = {"state": state, "lastState": {"terminated": last} if last else {}}
    deployment = {"spec": {"replicas": 2, "selector": {"matchLabels": {}}}, "status": {"readyReplicas": 1}}
    monkeypatch.setattr(ServingCluster, "_call", lambda *_, **__: deployment)
    monkeypatch.setattr(ServingCluster, "_pods", lambda *_: [{"status": {"containerStatuses": [container]}}])
    conventions: Any = SimpleNamespace(serving_namespace="serving")
    return ServingCluster(conventions, client.ApiClient(client.Configuration()))


@pytest.mark.parametrize("message", ["", "Crash", "back-off restarting failed container"])
def test_kubernetes_own_code_says_that_a_server_crashes_whatever_its_message(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    cluster = pods(monkeypatch, waiting, {"exitCode": 1, "reason": "Error"})
    found = cluster.replicas("a")
    assert (found.crashes, found.trouble) == (True, "CrashLoopBackOff: exit code 1 (Error)")
    with pytest.raises(TransientError, match="1 of 2 servers are ready"):
        cluster.await_ready("a", 2, 600, lambda _: None)


@pytest.mark.parametrize(
    "state", [{"waiting": {"reason": "ImagePullBackOff", "message": "Crash of CrashLoopBackOff/image"}}, {}]
)
def test_a_message_about_crashes_is_none(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any]) -> None:
    assert not pods(monkeypatch, state).replicas("a").crashes
