"""The choices that a job has, and those of them that no other one beats in time, energy and money at once."""

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
class Room:
    """What a quota leaves to all workers together, or the freest node has for ``one_pod``; None is without limit."""

    name: str
    cores: float | None = None
    memory_bytes: float | None = None
    gpus: int | None = None
    one_pod: bool = False


@dataclass(frozen=True)
class Choice:
    """A job on hardware, in as few parts of a batch as fit, and what of it does not fit after all."""

    hardware: Hardware
    job: Job
    estimate: Estimate
    unfit: tuple[str, ...]


def choice(
    job: Job, hardware: Hardware, site: Site, *, rooms: Sequence[Room] = (), starts_at: datetime | None = None
) -> Choice:
    """Size the job here; where a device has no room for its share of a batch, feed it in two, four, … parts."""
    share = math.ceil(job.batch_rows / (job.workers * max(1, hardware.gpus)))
    while True:
        found = estimate(job, hardware, site, starts_at=starts_at)
        if job.accumulation * 2 > share or not exceeds_device_memory(found, hardware):
            break
        job = replace(job, accumulation=job.accumulation * 2)
    return Choice(hardware, job, found, (*found.unfit, *unfit(found, hardware, job.workers, rooms)))


def unfit(found: Estimate, hardware: Hardware, workers: int, rooms: Sequence[Room]) -> tuple[str, ...]:
    """What the training pods ask for and a quota or the freest node does not have."""
    reasons = []
    for room in rooms:
        pods = 1 if room.one_pod else workers
        asked = {
            "cores": (pods * hardware.cores, room.cores),
            "bytes of memory": (pods * found.host_memory_bytes.p90, room.memory_bytes),
            "GPUs": (pods * hardware.gpus, room.gpus),
        }
        reasons += [
            f"{room.name}: {need:,.0f} {what}, and {free:,.0f} are free"
            for what, (need, free) in asked.items()
            if free is not None and need > free
        ]
    return tuple(reasons)


def frontier(choices: Iterable[Choice]) -> list[Choice]:
    """Those that fit and that no other beats in seconds, joules and money, the fastest first.

    Where one has no price, money does not count.
    """
    fitting = [each for each in choices if not each.unfit]
    priced = all(each.estimate.cost for each in fitting)
    kept = [each for each in fitting if not any(_beats(other, each, priced) for other in fitting)]
    return sorted(kept, key=lambda each: each.estimate.seconds.p50)


def decide(choices: Iterable[Choice], aim: Aim, within_seconds: float | None = None) -> Choice | None:
    """The fitting choice with the least of ``aim`` that nine times in ten ends in time; None where there is none."""
    in_time = [
        each for each in frontier(choices) if within_seconds is None or each.estimate.seconds.p90 <= within_seconds
    ]
    known = [each for each in in_time if aim != "cost" or each.estimate.cost]
    return min(known, key=lambda each: _figure(each, aim), default=None)


def beats(mine: Sequence[float], theirs: Sequence[float]) -> bool:
    """Nowhere more, and less somewhere."""
    pairs = list(zip(mine, theirs, strict=True))
    return all(one <= other for one, other in pairs) and any(one < other for one, other in pairs)


def _beats(one: Choice, other: Choice, priced: bool) -> bool:
    aims: tuple[Aim, ...] = ("seconds", "joules", "cost") if priced else ("seconds", "joules")
    return beats([_figure(one, aim) for aim in aims], [_figure(other, aim) for aim in aims])


def _figure(each: Choice, aim: Aim) -> float:
    if aim == "cost":
        return each.estimate.cost.p50 if each.estimate.cost else math.inf
    return each.estimate.seconds.p50 if aim == "seconds" else each.estimate.joules.p50
