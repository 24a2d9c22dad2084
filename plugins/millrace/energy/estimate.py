"""Estimate of joules without sensors, from CPU time and the site's hardware entry."""

from millrace.contracts.measurement import EnergyMethod, Hardware


def estimated_joules(hardware: Hardware, wall_seconds: float, cpu_seconds: float) -> float:
    """Estimate joules: idle power of the whole machine for the wall time, plus active power for the CPU time.

    E = idle_W/core · cores · wall + active_W/core · cpu: the linear CPU power model of Fan, Weber and Barroso
    (ISCA 2007, section 3.2) with utilisation integrated over time. It is an estimate and is labelled as one.
    """
    return hardware.idle_watts_per_core * hardware.cores * wall_seconds + hardware.active_watts_per_core * cpu_seconds


def idle_joules(hardware: Hardware, wall_seconds: float, method: EnergyMethod, joules: float) -> float | None:
    """Return the part of ``joules`` that the hardware behind the method's sensors draws when idle for that time.

    Computed from the catalogue's idle watts, at most ``joules``; None if GPUs are measured whose idle watts the
    catalogue lacks. The remainder is the active part. Neither includes the building's share (PUE).
    """
    watts = 0.0
    if method != "nvml":
        watts += hardware.idle_watts_per_core * hardware.cores
    if method in ("nvml", "nvml+rapl"):
        if hardware.device is None:
            return None
        watts += hardware.device.idle_watts * hardware.gpus
    return min(joules, watts * wall_seconds)
