"""Seconds of a training step and of a request, layer by layer, and peak memory of the training step, by part."""

from dataclasses import dataclass

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import Hardware, Precision
from millrace.sizing.coefficients import (
    CHECKPOINT_PARAMETER_BYTES,
    FRAMEWORK_BYTES,
    TEXT_TRACE_BYTES,
    VALUE_BYTES,
    Coefficients,
)
from millrace.sizing.job import Job, Layer, ModelSize

# A forward and a backward pass together have three times the memory traffic of a forward pass.
_PASSES = 3
# Assumed: device memory of a CUDA context and its libraries, which no allocator reports.
CONTEXT_BYTES = 0.6e9
# Assumed: host memory of CUDA's libraries.
_CUDA_HOST_BYTES = 2.5e9
_STATES = {"weights": 4, "gradients": 4, "optimiser": 8}


@dataclass(frozen=True)
class Setup:
    """How a model is trained: ``rows`` per step and device, in ``accumulation`` micro-batches, on ``devices``."""

    rows: float
    devices: int = 1
    accumulation: int = 1
    precision: Precision = "float32"
    fused_attention: bool = False
    recompute: bool = False


@dataclass(frozen=True)
class StepSeconds:
    """A step's seconds on one device, by part.

    Kernel launches overlap with the device's work, and delay it if they are slower.
    """

    products: float
    elementwise: float
    optimiser: float
    launches: float
    exchange: float

    @property
    def device(self) -> float:
        """Seconds of the device's own work."""
        return self.products + self.elementwise + self.optimiser

    @property
    def total(self) -> float:
        """Seconds without input: device work and launches overlap, the less so the closer they are to each other."""
        return float((self.device**2 + self.launches**2) ** 0.5) + self.exchange

    @property
    def busy(self) -> float:
        """The share of the step in which the device works."""
        return self.device / self.total if self.total else 0.0


def step_seconds(size: ModelSize, setup: Setup, hardware: Hardware, known: Coefficients) -> StepSeconds:
    """Return the mean step over the rows' lengths. Raises BadInputError for a precision that the device lacks."""
    products = elementwise = launches = 0.0
    flops, memory = _peaks(hardware, setup.precision, known)
    for length, share in size.row_shares.items():
        for layer in size.layers[length]:
            worked = (layer.forward_flops + layer.backward_flops) * setup.rows
            moved = (layer.moved_values - (layer.moved_scores if setup.fused_attention else 0)) * known.unfused
            passes = _PASSES if layer.backward_flops or not layer.forward_flops else 1
            if setup.recompute and layer.copies > 1:
                worked, passes = worked + layer.forward_flops * setup.rows, passes + 1
            width = VALUE_BYTES[setup.precision]
            # a CPU's sustained GFLOP/s include its memory traffic
            carried = (_carried(layer, setup) * setup.rows + layer.parameters) * passes * width * bool(hardware.device)
            products += share * layer.copies * max(worked / flops, carried / memory)
            elementwise += share * layer.copies * max(0.0, moved) * width * passes * setup.rows / memory
            launches += share * layer.copies * layer.kernels * passes * known.kernel_seconds * setup.accumulation
    return StepSeconds(
        products=products,
        elementwise=elementwise,
        optimiser=size.parameters * known.optimiser_bytes / memory,
        launches=launches,
        exchange=_exchange(size, setup, hardware, known),
    )


def request_seconds(
    size: ModelSize, length: int, rows: int, hardware: Hardware, known: Coefficients, precision: Precision = "float32"
) -> float:
    """Return seconds of one forward pass of a batch of rows at a length: reading weights, products and launches."""
    flops, memory = _peaks(hardware, precision, known)
    seconds = launches = 0.0
    for layer in size.layers[length]:
        carried = (layer.matrix_values * rows + layer.parameters) * VALUE_BYTES[precision]
        moved = layer.moved_values * rows * known.unfused * VALUE_BYTES[precision]
        weights = carried if layer.forward_flops else 0.0
        seconds += layer.copies * (max(layer.forward_flops * rows / flops, weights / memory) + moved / memory)
        launches += layer.copies * layer.kernels * known.kernel_seconds
    return float((seconds**2 + launches**2) ** 0.5)


def _carried(layer: Layer, setup: Setup) -> float:
    if not layer.forward_flops:
        return 0.0
    return max(0.0, layer.matrix_values - (layer.matrix_scores if setup.fused_attention else 0))


def _peaks(hardware: Hardware, precision: Precision, known: Coefficients) -> tuple[float, float]:
    """Return the reached FLOPs and bytes per second."""
    device = hardware.device
    if device is None:
        return hardware.cores * hardware.gflops_per_core * 1e9 * known.of_peak("float32"), (
            hardware.bytes_per_second * known.memory
        )
    if precision not in device.flops:
        raise BadInputError(
            f"{device.name} has no {precision}",
            where="the precision that was asked for",
            rule=f"one of {sorted(device.flops)}",
            remedy="name one of them, or other hardware",
        )
    return device.flops[precision] * known.of_peak(precision), device.bytes_per_second * known.memory


def _exchange(size: ModelSize, setup: Setup, hardware: Hardware, known: Coefficients) -> float:
    """Return seconds of a ring all-reduce: 2·(n-1)/n of the gradients over the slowest link.

    Source: Patarasuk and Yuan (2009).
    """
    if setup.devices < 2:
        return 0.0
    within = hardware.device.link_bytes_per_second if hardware.device else None
    inside = max(1, hardware.gpus)
    slowest = within if setup.devices <= inside and within else hardware.network_bytes_per_second or 1.25e9
    crossed = 2 * (setup.devices - 1) / setup.devices * size.parameters * VALUE_BYTES[setup.precision]
    return crossed / (slowest * known.memory) * (1 - known.overlapped)


def device_memory(job: Job, hardware: Hardware, coefficients: Coefficients) -> dict[str, float]:
    """Return bytes by part on one device, as its allocator counts them; empty without a device."""
    if hardware.device is None:
        return {}
    states = {name: float(size * job.size.parameters) for name, size in _STATES.items()}
    copies = (coefficients.parameter_bytes - sum(_STATES.values())) * job.size.parameters
    return {
        **states,
        "copies": max(0.0, copies),
        "activations": _activations(job, job.workers * max(1, hardware.gpus)) * coefficients.kept_overhead,
        "workspace": coefficients.workspace_bytes,
    }


def host_memory(job: Job, hardware: Hardware, coefficients: Coefficients) -> dict[str, float]:
    """Return bytes by part of the training step's process on the host."""
    framework = FRAMEWORK_BYTES + (TEXT_TRACE_BYTES if job.text else 0.0)
    if hardware.device is not None:
        checkpoint = float(CHECKPOINT_PARAMETER_BYTES * job.size.parameters)
        return {"framework": framework + _CUDA_HOST_BYTES, "checkpoint": checkpoint}
    return {
        "framework": framework,
        "states": coefficients.parameter_bytes * job.size.parameters,
        "activations": coefficients.kept_overhead * _activations(job, job.workers),
    }


def _activations(job: Job, devices: int) -> float:
    """Return activation bytes of one micro-batch on one device, at the longest row length."""
    kept = job.size.kept_values(job.size.longest, fused_attention=job.fused_attention, recompute=job.recompute)
    return kept * VALUE_BYTES[job.precision] * -(-job.batch_rows // (devices * job.accumulation))
