"""Choices of hardware for a job, and the Pareto frontier of time, energy and money."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from millrace.contracts.measurement import Hardware
from millrace.sizing.catalogue import Site
from millrace.sizing.estimate import Estimate, estimate, exceeds_device_memory
from millrace.sizing.job import Job

Aim = Literal["seconds", "joules", "cost"]


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
