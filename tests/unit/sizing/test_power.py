"""Watts and speed under a power limit, and the least squares that learn them."""

import math
from collections.abc import Callable, Sequence
from types import ModuleType

import pytest

from millrace.sizing.learning import fit, solve
from millrace.sizing.power import TYPICAL, Limited, Pace


@pytest.fixture
def power_limits(accuracy: Callable[[str], ModuleType]) -> ModuleType:
    return accuracy("power_limits")


V100 = Limited(TYPICAL, Pace(row_seconds=0.01, step_rows=4, growth=0, memory_share=0.3), peak_watts=250)


def test_a_system_is_solved() -> None:
    assert solve([[0, 2], [3, 1]], [4, 5]) == pytest.approx([1, 2])


def test_data_outweigh_a_wide_prior_and_yield_to_a_narrow_one() -> None:
    points = [(x, 3 * math.exp(-0.5 * x)) for x in range(12)]

    def residuals(at: Sequence[float]) -> list[float]:
        height, decay = at
        return [(height * math.exp(-decay * x) - y) / 0.01 for x, y in points]

    assert fit(residuals, [1, 1], [10, 10]) == pytest.approx([3, 0.5], rel=1e-3)
    assert fit(residuals, [1, 1], [10, 1e-6])[1] == pytest.approx(1, rel=1e-3)


def test_a_lower_limit_is_slower_and_draws_less_and_is_held() -> None:
    at = [V100.under(32, limit) for limit in (100, 150, 200, 250)]
    assert [seconds for seconds, _ in at] == sorted((seconds for seconds, _ in at), reverse=True)
    assert [watts for _, watts in at] == sorted(watts for _, watts in at)
    for limit, (_, watts) in zip((100, 150), at, strict=False):
        assert watts == pytest.approx(limit * TYPICAL.held, rel=1e-3)
    # the host is the brake at one row a step: the device is half idle and draws less
    assert V100.under(1, 250)[1] < V100.under(64, 250)[1]


def test_a_batch_size_that_was_left_out_is_within_ten_per_cent(power_limits: ModuleType) -> None:
    rows = power_limits.read(power_limits.TRACE)["V100"]
    models = power_limits.fit_limits([each for each in rows if each.batch != 24], 250)
    left_out = [each for each in rows if each.batch == 24]
    assert len(left_out) == 7
    for what in (0, 1):
        found = [models[each.workload].under(each.batch, each.limit_watts)[what] for each in left_out]
        real = [(each.row_seconds, each.watts)[what] for each in left_out]
        assert sum(abs(a / b - 1) for a, b in zip(found, real, strict=True)) / len(real) < 0.1


def test_the_limit_is_the_thriftiest_within_the_slow_down() -> None:
    limits = [100, 125, 150, 175, 200, 225, 250]
    free, some, none = (V100.choose_limit(32, limits, slowdown) for slowdown in (9.0, 0.03, 0.0))
    assert free < some <= none
    assert V100.under(32, some)[0] <= 1.03 * V100.under(32, 250)[0]
    energies: dict[float, float] = {limit: math.prod(V100.under(32, limit)) for limit in limits}
    assert energies[free] == min(energies.values())


def test_what_was_measured_counts_more_than_the_model(power_limits: ModuleType) -> None:
    seen = [power_limits.Measured("w", 32, limit, seconds, limit) for limit, seconds in ((100, 1.0), (250, 1.0))]
    assert V100.choose_limit(32, [100, 250], 0.03) == 250
    assert power_limits.choose_limit(V100, 32, [100, 250], 0.03, seen) == 100
    assert power_limits.choose_limit(V100, 32, [100, 250], 0.03, seen[1:]) == 250


def test_another_device_has_its_own_peak_and_pace(power_limits: ModuleType) -> None:
    other = power_limits.on_other_device(V100, peak_watts=300, row_seconds_ratio=0.5)
    assert other.under(64, 300)[0] == pytest.approx(V100.under(64, 250)[0] / 2)
    assert other.under(64, 300)[1] == pytest.approx(V100.under(64, 250)[1] * 300 / 250)
