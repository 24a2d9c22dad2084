"""500 plans of 1 to 64 GPUs on 200 simulated nodes of eight: each pod bound, or refused with the scheduler's reason.

    make cluster-bench

The nodes schedule for real and run nothing; their taint is tolerated by MILLRACE_KUBERNETES_TOLERATIONS.
"""

import collections
import json
import random
import time
from datetime import datetime
from typing import Any

import pytest
from kubernetes import client, config

from millrace.launchers import kubernetes
from millrace.settings import Settings
from millrace.sizing.requests import Request
from tests.cluster.conftest import Site

PLANS, BUDGET_SECONDS = 500, 60
PRODUCT = "NVIDIA-H100-80GB-HBM3"
GPUS = (1, 2, 4, 8, 16, 32, 64)
SELECTOR = "millrace/workload=flowers,app.kubernetes.io/component=train"


class CountingClient(client.ApiClient):  # type: ignore[misc]
    """Counts the calls that it makes."""

    calls = 0

    def call_api(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return super().call_api(*args, **kwargs)


@pytest.mark.timeout(600)
def test_every_plan_is_bound_or_refused(
    site: Site, train_spec: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = site.objects("nodes", "default", "type=kwok")
    if not nodes:
        pytest.skip("no simulated nodes (label type=kwok) in this cluster")
    monkeypatch.setenv(
        "MILLRACE_KUBERNETES_TOLERATIONS", '[{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]'
    )
    configuration = client.Configuration()
    config.load_kube_config(str(site.airflow_kubeconfig), client_configuration=configuration)
    api = CountingClient(configuration)
    core, cluster = client.CoreV1Api(api), Settings().cluster()
    chance = random.Random(7)
    plans = {f"plan-{number:03d}": chance.choice(GPUS) for number in range(PLANS)}
    # more than the quota that comes with the manifests: here the scheduler is asked, not the quota
    quota = '{"spec": {"hard": {"requests.nvidia.com/gpu": "%s"}}}'
    site.kubectl("-n", cluster.namespace, "patch", "resourcequota", "millrace", "-p", quota % 100_000)
    began = time.monotonic()
    for name, gpus in plans.items():
        asked = Request(cores=1, memory_bytes=1 << 30, gpus=gpus, gpu=PRODUCT)
        pod = kubernetes.step_pod(cluster, "train", train_spec, asked)
        pod.metadata.name = name
        pod.spec.containers[0].resources = client.V1ResourceRequirements(**kubernetes.resources(cluster, asked))
        core.create_namespaced_pod(cluster.namespace, pod)
    handed_over = time.monotonic() - began
    deadline = time.monotonic() + BUDGET_SECONDS
    while True:
        pods = core.list_namespaced_pod(cluster.namespace, label_selector=SELECTOR).items
        waiting = [pod for pod in pods if not pod.spec.node_name]
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(1)
    bound = {pod.metadata.name: _bound_seconds(pod) for pod in pods if pod.spec.node_name}
    refused = {pod.metadata.name: kubernetes.pod_end(pod) for pod in waiting}
    for name in plans:
        core.delete_namespaced_pod(name, cluster.namespace, grace_period_seconds=0)
    site.kubectl("-n", cluster.namespace, "patch", "resourcequota", "millrace", "-p", quota % 2000)
    seconds = sorted(bound.values())
    reasons = collections.Counter(end.reason.partition(":")[0] for end in refused.values())
    with capsys.disabled():
        print(
            json.dumps(
                {
                    "bench": "bind",
                    "nodes": len(nodes),
                    "plans": PLANS,
                    "bound": len(bound),
                    "refused": len(refused),
                    "refused_by_gpus": dict(collections.Counter(plans[name] for name in refused)),
                    "reasons": dict(reasons),
                    "an_example": next(iter(refused.values())).reason if refused else "",
                    "handed_over_seconds": round(handed_over, 1),
                    "bind_seconds_p50": seconds[len(seconds) // 2],
                    "bind_seconds_p99": seconds[int(len(seconds) * 0.99)],
                    "api_calls_per_pod": round(api.calls / PLANS, 3),
                }
            )
        )
    assert set(bound) | set(refused) == set(plans), "a plan was lost"
    assert not set(bound) & set(refused)
    assert all(end.kind == "not_started" and "Unschedulable" in end.reason for end in refused.values())
    assert all(plans[name] > 8 for name in refused) or sum(plans[name] for name in bound) > 8 * len(nodes) - 64


def _bound_seconds(pod: client.V1Pod) -> float:
    scheduled = next(each for each in pod.status.conditions if each.type == "PodScheduled")
    created: datetime = pod.metadata.creation_timestamp
    return float((scheduled.last_transition_time - created).total_seconds())
