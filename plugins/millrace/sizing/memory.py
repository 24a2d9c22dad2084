"""Peak memory of the training step, by part."""

from millrace.contracts.measurement import Hardware
from millrace.sizing import coefficients as known
from millrace.sizing.coefficients import Coefficients
from millrace.sizing.job import Job

# Assumed: device memory of a CUDA context and its libraries, which no allocator reports.
CONTEXT_BYTES = 0.6e9
# Assumed: host memory of CUDA's libraries.
_CUDA_HOST_BYTES = 2.5e9
_STATES = {"weights": 4, "gradients": 4, "optimiser": 8}


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
    framework = known.FRAMEWORK_BYTES + (known.TEXT_TRACE_BYTES if job.text else 0.0)
    if hardware.device is not None:
        checkpoint = float(known.CHECKPOINT_PARAMETER_BYTES * job.size.parameters)
        return {"framework": framework + _CUDA_HOST_BYTES, "checkpoint": checkpoint}
    return {
        "framework": framework,
        "states": coefficients.parameter_bytes * job.size.parameters,
        "activations": coefficients.kept_overhead * _activations(job, job.workers),
    }


def _activations(job: Job, devices: int) -> float:
    """Return activation bytes of one micro-batch on one device, at the longest row length."""
    kept = job.size.kept_values(job.size.longest, fused_attention=job.fused_attention, recompute=job.recompute)
    return kept * known.VALUE_BYTES[job.precision] * -(-job.batch_rows // (devices * job.accumulation))
