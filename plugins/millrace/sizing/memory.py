"""Peak memory of the training step, part by part."""

from millrace.contracts.measurement import Hardware
from millrace.sizing import calibration as known
from millrace.sizing.coefficients import Coefficients
from millrace.sizing.job import Job

# Assumed: what a CUDA context and its libraries take of a device, which no allocator shows.
CONTEXT_BYTES = 0.6e9
# Assumed: CUDA's libraries in the host's memory.
_CUDA_HOST_BYTES = 2.5e9
_STATES = {"weights": 4, "gradients": 4, "optimiser": 8}


def device_memory(job: Job, hardware: Hardware, coefficients: Coefficients) -> dict[str, float]:
    """Of one device, as its allocator sees it; nothing without a device."""
    if hardware.device is None:
        return {}
    states = {name: float(size * job.size.parameters) for name, size in _STATES.items()}
    copies = (coefficients.parameter_bytes - sum(_STATES.values())) * job.size.parameters
    return {
        **states,
        "copies": max(0.0, copies),
        "activations": _activations(job, _devices(job, hardware)) * coefficients.kept_overhead,
        "workspace": coefficients.workspace_bytes,
    }


def host_memory(job: Job, hardware: Hardware, coefficients: Coefficients) -> dict[str, float]:
    """Of the training step's process."""
    framework = known.FRAMEWORK_BYTES + (known.TEXT_TRACE_BYTES if job.text else 0.0)
    if hardware.device is not None:
        checkpoint = float(known.CHECKPOINT_PARAMETER_BYTES * job.size.parameters)
        return {"framework": framework + _CUDA_HOST_BYTES, "checkpoint": checkpoint}
    return {
        "framework": framework,
        "states": coefficients.parameter_bytes * job.size.parameters,
        "activations": coefficients.kept_overhead * _activations(job, job.workers),
    }


def _devices(job: Job, hardware: Hardware) -> int:
    return job.workers * max(1, hardware.gpus)


def _activations(job: Job, devices: int) -> float:
    """Of the longest rows that are fed to one device at once."""
    kept = job.size.kept_values(job.size.longest, fused_attention=job.fused_attention, recompute=job.recompute)
    return kept * known.VALUE_BYTES[job.precision] * -(-job.batch_rows // (devices * job.accumulation))
