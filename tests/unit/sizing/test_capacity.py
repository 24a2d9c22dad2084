"""What a cluster has left, from kubectl's own list."""

from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace.sizing.frontier import capacities

GPU = "nvidia.com/gpu"


def node(name: str, cpu: str, memory: str, gpus: str, **spec: Any) -> dict[str, Any]:
    allocatable = {"cpu": cpu, "memory": memory, GPU: gpus}
    return {"kind": "Node", "metadata": {"name": name}, "spec": spec, "status": {"allocatable": allocatable}}


def pod(on: str, phase: str = "Running", **requests: str) -> dict[str, Any]:
    asked = {name.replace("gpus", GPU): value for name, value in requests.items()}
    spec = {"nodeName": on, "containers": [{"resources": {"requests": asked}}, {}]}
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": spec, "status": {"phase": phase}}


def quota(namespace: str) -> dict[str, Any]:
    hard = {"pods": "10", "requests.cpu": "64", "requests.memory": "1Ti", f"requests.{GPU}": "8"}
    used = {"requests.cpu": "500m", "requests.memory": "512Gi", f"requests.{GPU}": "6"}
    metadata = {"name": "millrace", "namespace": namespace}
    return {"kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}, "status": {"used": used}}


def test_quotas_and_the_freest_node() -> None:
    listed = [
        quota("steps"),
        quota("others"),
        node("a", "32", "256Gi", "8"),
        node("b", "32", "512Gi", "4"),
        node("c", "32", "512Gi", "8", unschedulable=True),
        pod("a", cpu="4", memory="56Gi", gpus="6"),
        pod("b", "Succeeded", gpus="4"),
        pod("c", gpus="8"),
    ]
    given, freest = capacities({"items": listed}, "steps")
    assert (given.name, given.cores, given.memory_bytes, given.gpus) == ("quota millrace", 63.5, 512 * 2.0**30, 2)
    assert (freest.name, freest.cores, freest.memory_bytes, freest.gpus) == ("node b", 32, 512 * 2.0**30, 4)


def test_another_document_is_refused() -> None:
    for wrong in ({}, {"items": [{"kind": "Node"}]}):
        with pytest.raises(BadInputError, match="no list of a cluster's objects"):
            capacities(wrong, "steps")
