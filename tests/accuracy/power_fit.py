"""Fit of a GPU's power curve and of workloads' paces to measured settings, and the choice of a limit by those."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from millrace.sizing.learning import fit
from millrace.sizing.power import TYPICAL, Limited, Pace, PowerCurve

_NOISE = 0.05
_CURVE_SPREAD = (0.1, 0.15, 0.2, 3.0, 0.03)


@dataclass(frozen=True)
class Measured:
    """One measured setting of one workload: seconds per row and mean watts of the device."""

    workload: str
    batch: float
    limit_watts: float
    row_seconds: float
    watts: float


def fit_limits(measured: Sequence[Measured], peak_watts: float, curve: PowerCurve = TYPICAL) -> Mapping[str, Limited]:
    """Fit the device's curve, shared by its workloads, with ``curve`` as its prior, and each workload's pace."""
    workloads = sorted({each.workload for each in measured})
    prior = [curve.idle, curve.clock, curve.work, curve.exponent, curve.held]
    spread = list(_CURVE_SPREAD)
    for workload in workloads:
        own = [each.row_seconds for each in measured if each.workload == workload]
        prior += [math.log(min(own)), 4.0, 0.0, 0.3]
        spread += [1.0, 6.0, 0.1, 0.2]

    def models(at: Sequence[float]) -> dict[str, Limited]:
        idle, clock, work, exponent, held = at[:5]
        shared = PowerCurve(max(idle, 0.01), max(clock, 0.0), max(work, 0.01), min(max(exponent, 1.0), 30.0), held)
        paces = [at[5 + 4 * index : 9 + 4 * index] for index in range(len(workloads))]
        return {
            workload: Limited(
                shared,
                Pace(math.exp(pace[0]), max(pace[1], 0.0), pace[2], min(max(pace[3], 0.0), 0.95)),
                peak_watts,
            )
            for workload, pace in zip(workloads, paces, strict=True)
        }

    def residuals(at: Sequence[float]) -> list[float]:
        by_workload, found = models(at), []
        for each in measured:
            seconds, watts = by_workload[each.workload].under(each.batch, each.limit_watts)
            found += [math.log(seconds / each.row_seconds) / _NOISE, math.log(watts / each.watts) / _NOISE]
        return found

    return models(fit(residuals, prior, spread))


def on_other_device(known: Limited, peak_watts: float, row_seconds_ratio: float) -> Limited:
    """Return the same model on an unmeasured device: its own peak, a row's time scaled by the roofline's ratio."""
    pace = replace(known.pace, row_seconds=known.pace.row_seconds * row_seconds_ratio)
    return Limited(known.curve, pace, peak_watts)


def choose_limit(
    model: Limited, batch: float, limits: Sequence[float], most_slowdown: float, measured: Sequence[Measured]
) -> float:
    """The model's choice; where all limits were ``measured`` at this batch, the measurements replace the model."""
    seen = {each.limit_watts: (each.row_seconds, each.watts) for each in measured if each.batch == batch}
    if not seen.keys() >= set(limits):
        return model.choose_limit(batch, limits, most_slowdown)
    kept = [limit for limit in limits if seen[limit][0] <= seen[max(limits)][0] * (1 + most_slowdown)]
    return min(kept, key=lambda limit: seen[limit][0] * seen[limit][1])
