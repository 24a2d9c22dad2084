"""Resource requests of a step's container."""

import math
from dataclasses import dataclass

from millrace.contracts.measurement import Hardware
from millrace.contracts.plan import Plan

MEMORY_STEP = 64 << 20
OOM_FACTOR = 1.5
_PLANNED = ("train", "export", "evaluate")
_WITH_GPU = ("train",)


@dataclass(frozen=True)
class Request:
    """Memory is both request and limit; cores are only requested, so that other pods may use idle ones."""

    cores: int
    memory_bytes: int
    gpus: int = 0
    gpu: str | None = None


def request(step: str, hardware: Hardware, plan: Plan | None, at_least_bytes: int) -> Request:
    """Return the request: the plan's P90 memory for the steps that hold a model, at least ``at_least_bytes``.

    Memory is rounded up to 64 MiB. Only training gets GPUs.
    """
    memory = float(at_least_bytes)
    cores = 1
    if step in _PLANNED:
        cores = hardware.cores
        if plan is not None:
            memory = max(memory, plan.peak_memory_bytes.p90)
    return Request(
        cores=cores,
        memory_bytes=math.ceil(memory / MEMORY_STEP) * MEMORY_STEP,
        gpus=hardware.gpus if step in _WITH_GPU else 0,
        gpu=hardware.gpu if step in _WITH_GPU else None,
    )


def fewer_rows(rows: int) -> int | None:
    """Return half the rows that exceeded a device's memory; None if it was one row."""
    return math.ceil(rows / 2) if rows > 1 else None


def after_oom(limit_bytes: int, cap_bytes: int) -> int | None:
    """Return 1.5 times the memory limit that was too low, up to the cap; None if the cap was too low."""
    if limit_bytes >= cap_bytes:
        return None
    return min(cap_bytes, math.ceil(limit_bytes * OOM_FACTOR / MEMORY_STEP) * MEMORY_STEP)
