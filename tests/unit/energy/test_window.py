"""Joules of a window from samples of a meter."""

import pytest

from millrace.energy.prometheus import of_counter, of_gauge

FLAT = [(float(at), 100.0) for at in range(0, 101, 10)]
COUNTED = [(float(at), 1_000.0 + 100.0 * at) for at in range(0, 101, 10)]


def test_power_is_held_to_the_edges_of_the_window() -> None:
    assert of_gauge(FLAT, 13, 87, 30) == pytest.approx((7_400, 74))
    assert of_counter(COUNTED, 13, 87, 30) == pytest.approx((7_400, 74))


def test_what_is_drawn_outside_the_window_is_somebody_elses() -> None:
    busy = [(at, 1_000.0 if 20 <= at <= 80 else 50.0) for at, _ in FLAT]
    assert of_gauge(busy, 19, 81, 30) == pytest.approx((62_000, 62))


def test_a_gauges_gap_is_not_bridged_and_a_counters_is() -> None:
    holed = [sample for sample in FLAT if not 30 < sample[0] < 70]
    assert of_gauge(holed, 0, 100, 30) == pytest.approx((6_000, 60))
    counted = [sample for sample in COUNTED if not 30 < sample[0] < 70]
    assert of_counter(counted, 0, 100, 30) == pytest.approx((10_000, 100))


def test_a_late_first_sample_is_not_stretched_over_what_nobody_saw() -> None:
    assert of_gauge(FLAT[6:], 0, 100, 30) == pytest.approx((4_000, 40))
    assert of_counter(COUNTED[6:], 0, 100, 30) == pytest.approx((4_000, 40))


def test_a_counter_that_began_anew_is_counted_from_there() -> None:
    again = [*COUNTED[:5], *((at, value - 6_000) for at, value in COUNTED[5:])]
    joules, covered = of_counter(again, 0, 100, 30)
    assert covered == pytest.approx(90)
    assert joules == pytest.approx(4_000 + again[5][1] + 5_000)


def test_two_scrapers_of_one_meter_count_once() -> None:
    assert of_gauge(FLAT + FLAT, 0, 100, 30) == of_gauge(FLAT, 0, 100, 30)


@pytest.mark.parametrize("samples", [[], [(50.0, 100.0)]])
def test_too_few_samples_cover_little(samples: list[tuple[float, float]]) -> None:
    assert of_counter(samples, 0, 100, 30) == (0, 0)
    assert of_gauge(samples, 0, 100, 30) == (0, 0)
