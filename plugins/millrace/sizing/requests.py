"""What a step's container asks for."""

import math
from dataclasses import dataclass

from millrace.contracts.measurement import Hardware
from millrace.contracts.plan import Plan

GIB = 1 << 30
MEMORY_STEP = 64 << 20
# Ingest peaked at 362 MB on a 2 GB file and validation at less than 1 GiB: `make bench` and the ledger.
UNPLANNED_MEMORY_BYTES = 2 * GIB
OOM_FACTOR = 1.5
_PLANNED = ("train", "export", "evaluate")
_WITH_GPU = ("train",)


@dataclass(frozen=True)
class Request:
    """Memory is request and limit alike; cores are requested and not limited, so that idle ones are not wasted."""

    cores: int
    memory_bytes: int
    gpus: int = 0
    gpu: str | None = None


def request(step: str, hardware: Hardware, plan: Plan | None, at_least_bytes: int = 0) -> Request:
    """The plan's P90 memory for the steps that hold a model, a fixed 2 GiB for the others, rounded up to 64 MiB.

    ``at_least_bytes`` is what an earlier try's death for want of memory has taught. GPUs go to training alone.
    """
    memory = float(UNPLANNED_MEMORY_BYTES)
    cores = 1
    if step in _PLANNED:
        cores = hardware.cores
        if plan is not None:
            memory = max(memory, plan.peak_memory_bytes.p90)
    memory = max(memory, at_least_bytes)
    return Request(
        cores=cores,
        memory_bytes=math.ceil(memory / MEMORY_STEP) * MEMORY_STEP,
        gpus=hardware.gpus if step in _WITH_GPU else 0,
        gpu=hardware.gpu if step in _WITH_GPU else None,
    )


def after_oom(limit_bytes: int, cap_bytes: int) -> int | None:
    """1.5 times the memory that was not enough, up to the cap; None where the cap was not enough."""
    if limit_bytes >= cap_bytes:
        return None
    return min(cap_bytes, math.ceil(limit_bytes * OOM_FACTOR / MEMORY_STEP) * MEMORY_STEP)
