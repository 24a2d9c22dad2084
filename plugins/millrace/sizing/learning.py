"""Learns calibration factors from ended runs: least squares with priors, conformal intervals, a drift alarm.

A prediction is a sum of parts (a step's products, its start, the states in memory, …). Each part has one learned
factor, held near 1 until runs show otherwise. Parts that no run distinguishes change together.

Least squares are the Levenberg-Marquardt algorithm in plain Python: Airflow's environment has no numpy, and about ten
coefficients do not need it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from millrace.contracts.calibration import Calibration, Parts, Predicted

_NOISE = 0.03
# standard deviation of the logarithm of a factor: 0.7 is a factor of 2
_SPREAD = 0.7
# half of it if another family on the same hardware has taught this part
_TAUGHT_SPREAD = 0.35
_CONFORMAL_RUNS = 9
_SMALLEST_SPREAD = 0.02
_NEWEST_RUNS = 200
_FOLDS = 10
_ALARM_SIGMAS = 2.0
_ALARM_RUNS = 3
_STEPS = 60
_ENOUGH = 1e-9


@dataclass(frozen=True)
class Observation:
    """One run: the parts that the priors predicted, and the measured values; unknown values are absent."""

    parts: Mapping[Predicted, Parts]
    measured: Mapping[Predicted, float]


def scaled(parts: Parts, scales: Parts | None) -> Parts:
    """Return the parts multiplied by their factors."""
    return {name: value * (scales or {}).get(name, 1.0) for name, value in parts.items()}


def learn(
    hardware: str,
    family: str,
    runs: Sequence[Observation],
    current: Calibration | None,
    learned_at: datetime,
    relative: Calibration | None = None,
) -> Calibration | None:
    """Return the next version, from the newest 200 of ``runs`` (oldest first); None if there is no new run.

    New factors replace the old ones only for quantities where their error is at most that of ``current`` (at first: the
    priors) on the runs that ``current`` had not seen, each predicted from other runs alone. Factors are held near 1, or
    near those of ``relative``: another family on the same hardware.
    """
    seen = current.runs if current else 0
    if len(runs) <= seen:
        return None
    scales: dict[Predicted, Parts] = {}
    p90: dict[Predicted, float] = {}
    spread: dict[Predicted, float] = {}
    before: dict[Predicted, float] = {}
    after: dict[Predicted, float] = {}
    alarms = []
    for predicted in get_args(Predicted):
        old = current.scales.get(predicted, {}) if current else {}
        newest = range(max(0, len(runs) - _NEWEST_RUNS), len(runs))
        known = [index for index in newest if runs[index].measured.get(predicted) and runs[index].parts.get(predicted)]
        if not known:
            continue
        taught = relative.scales.get(predicted, {}) if relative else {}
        left_out = _left_out(predicted, runs, known, taught)
        new = [index for index in known if index >= seen]
        stale = {index: _error(predicted, runs[index], old) for index in known}
        alarm = _drifted(predicted, [stale[index] for index in new], current)
        alarms += [alarm] if alarm else []
        if new:
            before[predicted] = _mean(stale[index] for index in new)
            after[predicted] = _mean(left_out[index] for index in new)
        better = not new or after[predicted] <= before[predicted]
        scales[predicted] = _fitted(predicted, [runs[index] for index in known], taught) if better else old
        errors = left_out if better else stale
        spread[predicted] = max(_SMALLEST_SPREAD, math.sqrt(sum(error**2 for error in errors.values()) / len(errors)))
        bound = _conformal(list(errors.values()))
        if bound is not None:
            p90[predicted] = bound
    return Calibration(
        hardware=hardware,
        family=family,
        version=current.version + 1 if current else 1,
        runs=len(runs),
        scales=scales,
        p90=p90,
        spread=spread,
        error_before=before,
        error_after=after,
        drift="; ".join(alarms) or None,
        learned_at=learned_at,
    )


def _fitted(predicted: Predicted, runs: Sequence[Observation], taught: Parts) -> Parts:
    names = sorted({name for run in runs for name, value in run.parts[predicted].items() if value})

    def residuals(at: Sequence[float]) -> list[float]:
        scales = {name: math.exp(value) for name, value in zip(names, at, strict=True)}
        return [_error(predicted, run, scales) / _NOISE for run in runs]

    prior = [math.log(taught.get(name, 1.0)) for name in names]
    found = fit(residuals, prior, [_TAUGHT_SPREAD if name in taught else _SPREAD for name in names])
    return {name: math.exp(value) for name, value in zip(names, found, strict=True)}


def _left_out(
    predicted: Predicted, runs: Sequence[Observation], known: Sequence[int], taught: Parts
) -> dict[int, float]:
    """Return each run's error by cross-validation: leave-one-out up to ten runs, ten folds beyond."""
    folds = min(len(known), _FOLDS)
    found: dict[int, float] = {}
    for fold in range(folds):
        others = [runs[index] for at, index in enumerate(known) if at % folds != fold]
        scales = _fitted(predicted, others, taught) if others else {}
        found |= {index: _error(predicted, runs[index], scales) for index in known[fold::folds]}
    return found


def _error(predicted: Predicted, run: Observation, scales: Parts) -> float:
    """Return the logarithm of measured over predicted."""
    return math.log(run.measured[predicted] / sum(scaled(run.parts[predicted], scales).values()))


def _mean(errors: Iterable[float]) -> float:
    sizes = [abs(math.expm1(error)) for error in errors]
    return math.fsum(sizes) / len(sizes)


def _conformal(errors: list[float]) -> float | None:
    """Return the P90 factor for further runs, whatever the distribution of errors (split conformal).

    None while there are too few runs.
    """
    if len(errors) < _CONFORMAL_RUNS:
        return None
    rank = math.ceil(0.9 * (len(errors) + 1))
    return max(1.0, math.exp(sorted(errors)[min(rank, len(errors)) - 1]))


def _drifted(predicted: Predicted, new: Sequence[float], current: Calibration | None) -> str | None:
    """Return an alarm if the mean error of the new runs exceeds what the version's spread explains."""
    if current is None or predicted not in current.spread or len(new) < _ALARM_RUNS:
        return None
    mean = math.fsum(new) / len(new)
    if abs(mean) <= _ALARM_SIGMAS * current.spread[predicted] / math.sqrt(len(new)):
        return None
    return f"{predicted}: {len(new)} new runs took {math.exp(mean):.2f} of what version {current.version} predicted"


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solve a positive definite linear system, by Gaussian elimination with partial pivoting."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda row: abs(rows[row][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for below in range(at + 1, size):
            factor = rows[below][at] / rows[at][at]
            for column in range(at, size + 1):
                rows[below][column] -= factor * rows[at][column]
    found = [0.0] * size
    for at in reversed(range(size)):
        known = sum(rows[at][column] * found[column] for column in range(at + 1, size))
        found[at] = (rows[at][size] - known) / rows[at][at]
    return found


def fit(
    residuals: Callable[[Sequence[float]], Sequence[float]], prior: Sequence[float], spread: Sequence[float]
) -> list[float]:
    """Return the coefficients with the least sum of squared residuals, each held near its prior by its spread.

    Residuals are in units of their own spread; a prior adds the residual (coefficient - prior) / spread.
    """

    def every(at: Sequence[float]) -> list[float]:
        return [*residuals(at), *((a - p) / s for a, p, s in zip(at, prior, spread, strict=True))]

    at, damping = list(prior), 1e-2
    now = every(at)
    cost = math.fsum(r * r for r in now)
    for _ in range(_STEPS):
        slopes = [_slope(every, at, now, index, spread[index]) for index in range(len(at))]
        gradient = [math.fsum(s * r for s, r in zip(slope, now, strict=True)) for slope in slopes]
        normal = [[math.fsum(a * b for a, b in zip(one, other, strict=True)) for other in slopes] for one in slopes]
        while damping < 1e9:
            damped = [
                [value * (1 + damping * (row == column)) for column, value in enumerate(values)]
                for row, values in enumerate(normal)
            ]
            tried = [a - step for a, step in zip(at, solve(damped, gradient), strict=True)]
            then = every(tried)
            better = math.fsum(r * r for r in then)
            if better < cost:
                break
            damping *= 4
        else:
            return at
        at, now, saved, cost = tried, then, cost - better, better
        damping = max(damping / 8, 1e-9)
        if saved < _ENOUGH * cost:
            break
    return at


def _slope(
    every: Callable[[Sequence[float]], list[float]], at: list[float], now: list[float], index: int, spread: float
) -> list[float]:
    step = 1e-5 * spread
    moved = every([value + step * (position == index) for position, value in enumerate(at)])
    return [(then - before) / step for then, before in zip(moved, now, strict=True)]
