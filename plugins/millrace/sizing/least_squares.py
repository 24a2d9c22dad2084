"""Least squares with priors for a few coefficients: the Levenberg-Marquardt algorithm in plain Python.

Airflow's environment has no numpy, and about ten coefficients do not need it.
"""

import math
from collections.abc import Callable, Sequence

_STEPS = 60
_ENOUGH = 1e-9


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
