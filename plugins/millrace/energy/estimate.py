"""Joules where no sensor is: CPU time and the site's hardware entry."""

from millrace.contracts.measurement import Hardware


def estimated_joules(hardware: Hardware, wall_seconds: float, cpu_seconds: float) -> float:
    """Idle share of the whole machine for the wall time, plus the active share for the CPU time.

    E = idle_W/core · cores · wall + active_W/core · cpu: the linear CPU power model of Fan, Weber and Barroso
    (ISCA 2007, section 3.2) with utilisation integrated over time. It is an estimate and is labelled as one.
    """
    return hardware.idle_watts_per_core * hardware.cores * wall_seconds + hardware.active_watts_per_core * cpu_seconds
