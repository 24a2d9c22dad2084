"""Free capacity of a cluster, from `kubectl get resourcequotas,nodes,pods -A -o json`, so Airflow needs no rights."""

from collections.abc import Mapping
from typing import Any

from millrace.contracts.errors import BadInputError
from millrace.sizing.frontier import Capacity

_UNITS = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
_ENDED = ("Succeeded", "Failed")


def capacities(listed: Mapping[str, Any], namespace: str, gpu_resource: str = "nvidia.com/gpu") -> list[Capacity]:
    """Return the namespace's quotas, and the node with the most free GPUs, then the most free memory.

    Raises BadInputError for any other document.
    """
    try:
        items = listed["items"]
        quotas = [
            _quota(each, gpu_resource)
            for each in items
            if each["kind"] == "ResourceQuota" and each["metadata"]["namespace"] == namespace
        ]
        nodes = _nodes(items, gpu_resource)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInputError(
            f"this is no list of a cluster's objects: {error!r}",
            where="--cluster",
            rule="what `kubectl get resourcequotas,nodes,pods -A -o json` prints",
            remedy="save its output to a file and name that",
        ) from error
    freest = max(nodes, key=lambda node: (node.gpus or 0, node.memory_bytes or 0.0), default=None)
    return [*quotas, *([freest] if freest else [])]


def _quota(item: Mapping[str, Any], gpu_resource: str) -> Capacity:
    hard, used = item["spec"]["hard"], item.get("status", {}).get("used", {})
    left = {name: _number(hard[name]) - _number(used.get(name, "0")) for name in hard}
    gpus = left.get(f"requests.{gpu_resource}")
    return Capacity(
        f"quota {item['metadata']['name']}",
        cores=left.get("requests.cpu", left.get("cpu")),
        memory_bytes=left.get("requests.memory", left.get("memory")),
        gpus=None if gpus is None else int(gpus),
    )


def _nodes(items: list[Mapping[str, Any]], gpu_resource: str) -> list[Capacity]:
    names = ("cpu", "memory", gpu_resource)
    free = {
        each["metadata"]["name"]: {name: _number(each["status"]["allocatable"].get(name, "0")) for name in names}
        for each in items
        if each["kind"] == "Node" and not each["spec"].get("unschedulable")
    }
    for each in items:
        node = each["spec"].get("nodeName") if each["kind"] == "Pod" else None
        if node in free and each.get("status", {}).get("phase") not in _ENDED:
            for container in each["spec"]["containers"]:
                asked = (container.get("resources") or {}).get("requests") or {}
                for name in names:
                    free[node][name] -= _number(asked.get(name, "0"))
    return [
        Capacity(f"node {name}", left["cpu"], left["memory"], int(left[gpu_resource]), one_pod=True)
        for name, left in sorted(free.items())
    ]


def _number(quantity: str | int) -> float:
    """Return the number of a Kubernetes quantity, such as 500m, 16Ti, 2e3 or 2000."""
    text = str(quantity)
    for unit in sorted(_UNITS, key=len, reverse=True):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * _UNITS[unit]
    return float(text)
