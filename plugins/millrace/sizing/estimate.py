"""Estimate of what a job takes on given hardware at a site, from formulas and calibration factors."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from millrace.contracts.calibration import Calibration, Parts, Predicted
from millrace.contracts.measurement import Hardware, Quantity
from millrace.energy.estimate import estimated_joules
from millrace.sizing import coefficients as known
from millrace.sizing.catalogue import Site
from millrace.sizing.coefficients import Coefficients, prior
from millrace.sizing.job import Job
from millrace.sizing.learning import scaled
from millrace.sizing.power import TYPICAL, Limited, Pace
from millrace.sizing.prices import emissions, money
from millrace.sizing.roofline import (
    CONTEXT_BYTES,
    Setup,
    StepSeconds,
    device_memory,
    host_memory,
    request_seconds,
    step_seconds,
)

Bottleneck = Literal["compute", "memory_bandwidth", "launch", "input", "network", "disk"]
# Checkpoints that are kept; bytes per parameter of a model version, trained and exported weights together.
_CHECKPOINTS = 2
_VERSION_BYTES = 8
_LIMIT_STEPS = 8
_SLOWDOWN = 0.03
_STEP_PARTS = ("products", "elementwise", "optimiser", "launches", "exchange")
_PODS = ("ingest", "validate", "train", "export", "evaluate")


@dataclass(frozen=True)
class PowerLimit:
    """A GPU's power limit, and the shares by which it slows steps and lowers the GPU's energy."""

    watts: float
    slower: float
    saved: float


@dataclass(frozen=True)
class Estimate:
    """Predictions as P50 and P90; None is unknown.

    ``joules`` is the IT energy of all machines and steps, the sum of ``joules_by_part``; ``facility_joules`` includes
    the building's share (PUE). ``device_memory`` is per device; ``network`` and ``disk`` are the bytes per second that
    training reads and writes. ``unfit`` lists demands that exceed the hardware. ``parts`` are the priors' predictions
    for the training step, whose factors calibration learns.
    """

    step: StepSeconds
    seconds_by_step: Mapping[str, Quantity]
    seconds: Quantity
    machine_seconds: Quantity
    rows_per_second: float
    host_memory: Mapping[str, float]
    host_memory_bytes: Quantity
    device_memory: Mapping[str, float]
    device_memory_bytes: Quantity | None
    joules_by_part: Mapping[str, float]
    joules: Quantity
    train_watts: Quantity
    facility_joules: Quantity | None
    cost: Quantity | None
    currency: str | None
    gco2e: Quantity | None
    network_bytes_per_second: float
    disk_bytes_per_second: float
    storage_bytes: float
    power_limit: PowerLimit | None
    bottleneck: Bottleneck
    unfit: tuple[str, ...]
    parts: Mapping[Predicted, Parts]


def estimate(
    job: Job,
    hardware: Hardware,
    site: Site,
    *,
    calibration: Calibration | None = None,
    starts_at: datetime | None = None,
    on_cluster: bool = False,
) -> Estimate:
    """Return the estimate of a job.

    Seconds are per step of the run, without queue and approval; the P90 of a sum is the sum of the P90s, which exceeds
    its true P90. Raises BadInputError for a precision that the device lacks.
    """
    found = prior(hardware)
    devices = job.workers * max(1, hardware.gpus)
    rows = job.train_rows * job.epochs / max(1, job.steps) / devices
    setup = Setup(rows, devices, job.accumulation, job.precision, job.fused_attention, job.recompute)
    step = step_seconds(job.size, setup, hardware, found)
    train = _train_seconds(job, hardware, found, step)
    scales: Mapping[Predicted, Parts] = calibration.scales if calibration else {}
    trained = scaled(train, scales.get("seconds"))
    walls = _walls(job, hardware, sum(trained.values()), on_cluster)
    machines = {name: job.workers if name == "train" else 1 for name in walls}
    watts = _train_watts(job, hardware, step, sum(train.values()))
    drawn = scaled(watts, scales.get("watts"))
    parts = _joules(hardware, walls, machines, drawn)
    learned: Mapping[Predicted, float] = calibration.p90 if calibration else {}
    spreads = {"train": learned.get("seconds", found.seconds_p90)}
    by_step = {
        name: _wall(name, wall, spreads.get(name, known.SECONDS_P90), on_cluster) for name, wall in walls.items()
    }
    seconds = _sum(by_step.values())
    machine_seconds = _sum(
        Quantity(p50=wall.p50 * machines[name], p90=wall.p90 * machines[name]) for name, wall in by_step.items()
    )
    joules = _quantity(sum(parts.values()), _of_both(spreads["train"], learned.get("watts")) or found.joules_p90)
    of_host, of_device = host_memory(job, hardware, found), device_memory(job, hardware, found)
    host, device = scaled(of_host, scales.get("memory")), scaled(of_device, scales.get("gpu_memory"))
    host_bytes = _quantity(sum(host.values()), learned.get("memory", found.memory_p90))
    device_bytes = _quantity(sum(device.values()), learned.get("gpu_memory", found.memory_p90)) if device else None
    cost = money(machine_seconds, joules, hardware, site, starts_at, seconds.p50)
    read = job.bytes * job.train_rows / max(1, job.train_rows + job.validation_rows + job.test_rows)
    return Estimate(
        step=step,
        seconds_by_step=by_step,
        seconds=seconds,
        machine_seconds=machine_seconds,
        rows_per_second=job.train_rows * job.epochs / (sum(trained[name] for name in _STEP_PARTS) or math.inf),
        host_memory=host,
        host_memory_bytes=host_bytes,
        device_memory=device,
        device_memory_bytes=device_bytes,
        joules_by_part=parts,
        joules=joules,
        train_watts=_at_most(sum(drawn.values()), learned.get("watts", found.joules_p90), job, hardware),
        facility_joules=None if site.pue is None else Quantity(p50=joules.p50 * site.pue, p90=joules.p90 * site.pue),
        cost=cost,
        currency=site.currency if cost else None,
        gco2e=emissions(joules, site, starts_at, seconds.p50),
        network_bytes_per_second=read / max(walls["train"], 1.0) + _exchanged(job, step),
        disk_bytes_per_second=known.CHECKPOINT_PARAMETER_BYTES * job.size.parameters / known.CHECKPOINT_SECONDS,
        storage_bytes=job.bytes
        + (_CHECKPOINTS * known.CHECKPOINT_PARAMETER_BYTES + _VERSION_BYTES) * job.size.parameters,
        power_limit=_power_limit(step, rows, hardware),
        bottleneck=_bottleneck(trained),
        unfit=_unfit(host_bytes, device_bytes, hardware),
        parts={"seconds": train, "watts": watts, "memory": of_host, "gpu_memory": of_device},
    )


def data_walls(size_bytes: int) -> dict[str, float]:
    """Return the seconds of ingest and validate for arrivals of ``size_bytes``."""
    return {
        "ingest": known.INGEST_START_SECONDS + size_bytes / known.INGEST_BYTES_PER_SECOND,
        "validate": known.VALIDATE_START_SECONDS + size_bytes / known.VALIDATE_BYTES_PER_SECOND,
    }


def serving(job: Job, length: int, rows: int, hardware: Hardware) -> tuple[Quantity, float]:
    """Return seconds of a request of ``rows`` rows at a length (``p90`` holds the P99), and joules of a request.

    Idle power is not included: it is attributed to the machine's reservation.
    """
    seconds = request_seconds(job.size, length, rows, hardware, prior(hardware)) + known.REQUEST_SECONDS
    if hardware.device is None:
        watts = hardware.active_watts_per_core * hardware.cores
    else:
        watts = hardware.device.peak_watts * TYPICAL.share(1.0, 1.0) - hardware.device.idle_watts
    return Quantity(p50=seconds, p90=seconds * known.REQUEST_P99), seconds * watts


def _train_seconds(job: Job, hardware: Hardware, found: Coefficients, step: StepSeconds) -> Parts:
    trace = known.TABLE_TRACE_SECONDS
    if job.text:
        trace = known.FIRST_TRACE_SECONDS + known.SECOND_TRACE_SECONDS * (len(job.size.row_shares) > 1)
    scored = _scored_seconds(job, hardware)
    if hardware.device is not None:
        rows = max(1, job.batch_rows // (job.workers * max(1, hardware.gpus)))
        scored = request_seconds(job.size, job.size.longest, rows, hardware, found) / rows
    # work and launches overlap: each counts by its share of the squares, so that the parts sum to the total
    together = math.hypot(step.device, step.launches)
    share = step.device / together if together else 0.0
    return {
        "start": known.IMPORT_SECONDS + known.TRAIN_FILES_SECONDS + trace,
        "input": (job.train_rows + job.validation_rows) / known.ROWS_ENCODED_PER_SECOND,
        "products": job.steps * step.products * share,
        "elementwise": job.steps * step.elementwise * share,
        "optimiser": job.steps * step.optimiser * share,
        "launches": job.steps * (step.launches**2 / together if together else 0.0),
        "exchange": job.steps * step.exchange,
        "scoring": job.validation_rows * scored,
        "checkpoints": _checkpoint_seconds(job, hardware, job.steps * step.total),
    }


def _scored_seconds(job: Job, hardware: Hardware) -> float:
    """Return seconds per row on CPUs, which evaluation uses even if training runs on GPUs."""
    return job.size.forward_flops_per_row / (hardware.cores * hardware.gflops_per_core * 1e9)


def _walls(job: Job, hardware: Hardware, train: float, on_cluster: bool) -> dict[str, float]:
    evaluate = known.EVALUATE_START_SECONDS + job.train_rows / known.BASELINE_ROWS_PER_SECOND
    evaluate += (job.test_rows + known.LATENCY_REQUESTS) * _scored_seconds(job, hardware)
    walls = {
        **data_walls(job.bytes),
        "size": known.SMALL_STEP_SECONDS,
        "train": train,
        "export": known.IMPORT_SECONDS + (known.EXPORT_SECONDS if job.text else known.TABLE_EXPORT_SECONDS),
        "evaluate": evaluate,
        "gate": known.SMALL_STEP_SECONDS,
        "roll_out": known.ROLL_OUT_SECONDS,
        "watch": job.watch_seconds,
        "finish": known.SMALL_STEP_SECONDS,
    }
    return {name: wall + known.POD_START_SECONDS * (on_cluster and name in _PODS) for name, wall in walls.items()}


def _wall(step: str, seconds: float, spread: float, on_cluster: bool) -> Quantity:
    """The P90 includes an image pull, since about one pod in ten starts on a node without the image."""
    pulled = known.PULLED_BYTES.get(step, 0.0) / known.PULL_BYTES_PER_SECOND if on_cluster else 0.0
    return Quantity(p50=seconds, p90=seconds * spread + pulled)


def _sum(walls: Iterable[Quantity]) -> Quantity:
    each = list(walls)
    return Quantity(p50=sum(wall.p50 for wall in each), p90=sum(wall.p90 for wall in each))


def _of_both(seconds_p90: float, watts_p90: float | None) -> float | None:
    """Return the P90 factor of a product of two independent factors."""
    if watts_p90 is None:
        return None
    return math.exp(math.hypot(math.log(seconds_p90), math.log(watts_p90)))


def _checkpoint_seconds(job: Job, hardware: Hardware, training_seconds: float) -> float:
    """Return 0 if the disk's speed is unknown: TRAIN_FILES_SECONDS then covers checkpoints."""
    if hardware.disk_bytes_per_second is None:
        return 0.0
    written = known.CHECKPOINT_PARAMETER_BYTES * job.size.parameters / hardware.disk_bytes_per_second
    return training_seconds / known.CHECKPOINT_SECONDS * written


def _train_watts(job: Job, hardware: Hardware, step: StepSeconds, train_seconds: float) -> Parts:
    """Return mean watts over the training step, of all its workers."""
    busy = _busy_cores("train", hardware)
    watts = {
        "host_idle": estimated_joules(hardware, 1.0, 0.0) * job.workers,
        "host_active": estimated_joules(hardware, 0.0, busy) * job.workers,
    }
    device = hardware.device
    if device is not None:
        boards = max(1, hardware.gpus) * job.workers
        drawn = max(0.0, device.peak_watts * TYPICAL.share(1.0, step.busy) - device.idle_watts)
        watts["gpu_idle"] = boards * device.idle_watts
        watts["gpu_active"] = boards * drawn * job.steps * step.total / train_seconds
    return watts


def _at_most(watts: float, spread: float, job: Job, hardware: Hardware) -> Quantity:
    """Limit the P90 to the hardware's maximum draw."""
    boards = hardware.gpus * hardware.device.peak_watts if hardware.device else 0.0
    peak = job.workers * (estimated_joules(hardware, 1.0, hardware.cores) + boards)
    return Quantity(p50=watts, p90=max(watts, min(watts * spread, peak)))


def _joules(
    hardware: Hardware, walls: Mapping[str, float], machines: Mapping[str, int], train_watts: Parts
) -> dict[str, float]:
    """Return joules by part; GPUs count in the training step only, the other steps use the host alone."""
    parts = {name: watts * walls["train"] for name, watts in train_watts.items()}
    for name, wall in walls.items():
        if name != "train":
            parts["host_idle"] += estimated_joules(hardware, wall, 0.0) * machines[name]
            parts["host_active"] += estimated_joules(hardware, 0.0, wall * _busy_cores(name, hardware))
    return parts


def _busy_cores(step: str, hardware: Hardware) -> float:
    if step == "train" and hardware.device is not None:
        return known.GPU_HOST_BUSY_SHARE * hardware.cores
    if step in ("train", "evaluate"):
        return known.BUSY_SHARE * hardware.cores
    return 0.1 if step == "watch" else 1.0


def _power_limit(step: StepSeconds, rows: float, hardware: Hardware) -> PowerLimit | None:
    """Return the GPU's power limit with the least energy that slows training by at most 3 %."""
    device = hardware.device
    if device is None or device.lowest_limit_watts is None or not step.device:
        return None
    still = (step.elementwise + step.optimiser) / step.device
    pace = Pace(step.device / rows, step.launches / step.device * rows, 0.0, min(still, 0.95))
    lowest, highest = device.lowest_limit_watts, device.peak_watts
    limits = [lowest + (highest - lowest) * at / _LIMIT_STEPS for at in range(_LIMIT_STEPS + 1)]
    limited = Limited(TYPICAL, pace, highest)
    chosen = limited.choose_limit(rows, limits, _SLOWDOWN)
    (free_seconds, free_watts), (seconds, watts) = limited.under(rows, highest), limited.under(rows, chosen)
    return PowerLimit(chosen, seconds / free_seconds - 1, 1 - seconds * watts / (free_seconds * free_watts))


def _exchanged(job: Job, step: StepSeconds) -> float:
    """Return the bytes per second of gradients that leave a pod, if several workers train together."""
    if job.workers < 2 or not step.total:
        return 0.0
    return 2 * (job.workers - 1) / job.workers * job.size.parameters * known.FLOAT_BYTES / step.total


def _bottleneck(trained: Parts) -> Bottleneck:
    candidates: dict[Bottleneck, float] = {
        "compute": trained["products"],
        "memory_bandwidth": trained["elementwise"] + trained["optimiser"],
        "launch": trained["launches"],
        "network": trained["exchange"],
        "input": trained["input"],
        "disk": trained["checkpoints"],
    }
    return max(candidates, key=lambda name: candidates[name])


def exceeds_device_memory(found: Estimate, hardware: Hardware) -> bool:
    """Return whether a device's share of the training needs more memory (P90) than the device has."""
    device, needed = hardware.device, found.device_memory_bytes
    return device is not None and needed is not None and needed.p90 + CONTEXT_BYTES > device.memory_bytes


def _unfit(host: Quantity, device: Quantity | None, hardware: Hardware) -> tuple[str, ...]:
    demands = [("host", host.p90, hardware.memory_bytes)]
    if device is not None and hardware.device is not None:
        demands.append(("GPU", device.p90 + CONTEXT_BYTES, hardware.device.memory_bytes))
    return tuple(
        f"{name} memory: {needed / 2**30:,.1f} GiB, and it has {held / 2**30:,.1f} GiB"
        for name, needed, held in demands
        if needed > held
    )


def _quantity(p50: float, spread: float) -> Quantity:
    return Quantity(p50=p50, p90=p50 * spread)
