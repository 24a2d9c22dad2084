"""Choices of hardware for a job within a cluster's free capacity, and the Pareto frontier of time, energy and money."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware
from millrace.sizing.catalogue import Site
from millrace.sizing.estimate import Estimate, estimate, exceeds_device_memory
from millrace.sizing.job import Job

Aim = Literal["seconds", "joules", "cost"]
_UNITS = {
    "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Capacity:
    """Free capacity: a quota's for all workers together, or with ``one_pod`` the freest node's; None is unlimited."""

    name: str
    cores: float | None = None
    memory_bytes: float | None = None
    gpus: int | None = None
    one_pod: bool = False


@dataclass(frozen=True)
class Choice:
    """A job on hardware, in as few micro-batches as fit, and the demands that exceed the hardware or free capacity."""

    hardware: Hardware
    job: Job
    estimate: Estimate
    unfit: tuple[str, ...]


def choice(
    job: Job, hardware: Hardware, site: Site, *, capacities: Sequence[Capacity] = (), starts_at: datetime | None = None
) -> Choice:
    """Size the job on this hardware; if a device lacks memory for its share of a batch, split it in 2, 4, … parts."""
    share = math.ceil(job.batch_rows / (job.workers * max(1, hardware.gpus)))
    while True:
        found = estimate(job, hardware, site, starts_at=starts_at)
        if job.accumulation * 2 > share or not exceeds_device_memory(found, hardware):
            break
        job = replace(job, accumulation=job.accumulation * 2)
    return Choice(hardware, job, found, (*found.unfit, *unfit(found, hardware, job.workers, capacities)))


def unfit(found: Estimate, hardware: Hardware, workers: int, capacities: Sequence[Capacity]) -> tuple[str, ...]:
    """Return the demands of the training pods that exceed a quota or the freest node."""
    reasons = []
    for capacity in capacities:
        pods = 1 if capacity.one_pod else workers
        asked = {
            "cores": (pods * hardware.cores, capacity.cores),
            "bytes of memory": (pods * found.host_memory_bytes.p90, capacity.memory_bytes),
            "GPUs": (pods * hardware.gpus, capacity.gpus),
        }
        reasons += [
            f"{capacity.name}: {need:,.0f} {what}, and {free:,.0f} are free"
            for what, (need, free) in asked.items()
            if free is not None and need > free
        ]
    return tuple(reasons)


def frontier(choices: Iterable[Choice]) -> list[Choice]:
    """Return the fitting choices that no other dominates in seconds, joules and money, fastest first.

    If one of them has no price, money is ignored.
    """
    fitting = [each for each in choices if not each.unfit]
    priced = all(each.estimate.cost for each in fitting)
    kept = [each for each in fitting if not any(_beats(other, each, priced) for other in fitting)]
    return sorted(kept, key=lambda each: each.estimate.seconds.p50)


def decide(choices: Iterable[Choice], aim: Aim, within_seconds: float | None = None) -> Choice | None:
    """Return the fitting choice with the least ``aim`` whose P90 seconds are within the limit; None without one."""
    in_time = [
        each for each in frontier(choices) if within_seconds is None or each.estimate.seconds.p90 <= within_seconds
    ]
    known = [each for each in in_time if aim != "cost" or each.estimate.cost]
    return min(known, key=lambda each: _figure(each, aim), default=None)


def beats(mine: Sequence[float], theirs: Sequence[float]) -> bool:
    """Return whether ``mine`` dominates ``theirs``: no value is larger, and at least one is smaller."""
    pairs = list(zip(mine, theirs, strict=True))
    return all(one <= other for one, other in pairs) and any(one < other for one, other in pairs)


def _beats(one: Choice, other: Choice, priced: bool) -> bool:
    aims: tuple[Aim, ...] = ("seconds", "joules", "cost") if priced else ("seconds", "joules")
    return beats([_figure(one, aim) for aim in aims], [_figure(other, aim) for aim in aims])


def _figure(each: Choice, aim: Aim) -> float:
    if aim == "cost":
        return each.estimate.cost.p50 if each.estimate.cost else math.inf
    return each.estimate.seconds.p50 if aim == "seconds" else each.estimate.joules.p50


def capacities(listed: Mapping[str, Any], namespace: str, gpu_resource: str = "nvidia.com/gpu") -> list[Capacity]:
    """Return the namespace's quotas, and the node with the most free GPUs, then the most free memory.

    ``listed`` is what `kubectl get resourcequotas,nodes,pods -A -o json` prints, so that Airflow needs no rights.

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
