"""Factors of a prediction's parts from runs: right where there are data, near 1 where there are none, never worse."""

import math
import random
from datetime import UTC, datetime

import pytest

from millrace.contracts.calibration import Calibration
from millrace.sizing.learning import Observation, learn, scaled

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def runs(count: int, start: float = 1.0, work: float = 1.0, noise: float = 0.0, seed: int = 3) -> list[Observation]:
    """Trainings of 1 to 9 thousand steps whose parts really take so many times what the priors say."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        parts = {"start": 30.0, "products": 0.1 * chance.randint(1_000, 9_000)}
        took = start * parts["start"] + work * parts["products"]
        found.append(Observation({"seconds": parts}, {"seconds": took * math.exp(chance.gauss(0, noise))}))
    return found


def taught(given: list[Observation], current: Calibration | None = None) -> Calibration:
    learned = learn("h", "f", given, current, NOW)
    assert learned is not None
    return learned


def error(learned: Calibration | None, judged: list[Observation]) -> float:
    scales = learned.scales["seconds"] if learned else {}
    off = [sum(scaled(run.parts["seconds"], scales).values()) / run.measured["seconds"] - 1 for run in judged]
    return sum(map(abs, off)) / len(off)


@pytest.mark.parametrize("work", [0.6, 1.7])
def test_after_three_runs_the_error_is_less_than_half_of_the_cold_one(work: float) -> None:
    unseen = runs(20, start=1.3, work=work, noise=0.03, seed=9)
    learned = taught(runs(3, start=1.3, work=work, noise=0.03))
    assert error(learned, unseen) < 0.5 * error(None, unseen)
    assert error(learned, unseen) < 0.08


def test_parts_are_told_apart_by_many_runs() -> None:
    learned = taught(runs(30, start=2.0, work=0.8, noise=0.01)).scales["seconds"]
    assert learned["products"] == pytest.approx(0.8, rel=0.03)
    assert learned["start"] == pytest.approx(2.0, rel=0.3)


def test_what_was_not_measured_is_not_learned() -> None:
    assert taught([Observation({"seconds": {"a": 1.0}, "memory": {"b": 1.0}}, {"seconds": 1.0})]).scales.keys() == {
        "seconds"
    }


def test_nothing_new_is_no_new_version() -> None:
    given = runs(4)
    assert learn("h", "f", given, taught(given), NOW) is None
    assert taught(runs(5), taught(given)).version == 2


def test_a_version_that_errs_more_on_new_runs_is_not_used() -> None:
    old = taught(runs(12, work=1.5, noise=0.01))
    # the new runs are the old version's very words; mixed with wild older ones a fit would be worse for them
    wild = runs(12, work=0.7, noise=0.8)
    exact = [
        Observation(run.parts, {"seconds": sum(scaled(run.parts["seconds"], old.scales["seconds"]).values())})
        for run in runs(3, seed=5)
    ]
    newer = taught([*wild, *exact], old)
    assert newer.error_after["seconds"] > newer.error_before["seconds"] == pytest.approx(0, abs=1e-6)
    assert newer.scales["seconds"] == old.scales["seconds"]


def test_nine_in_ten_stay_under_the_p90() -> None:
    assert "seconds" not in taught(runs(8, noise=0.1)).p90
    learned = taught(runs(40, work=1.4, noise=0.1))
    fresh = runs(300, work=1.4, noise=0.1, seed=11)
    predicted = [sum(scaled(run.parts["seconds"], learned.scales["seconds"]).values()) for run in fresh]
    under = [
        run.measured["seconds"] <= value * learned.p90["seconds"] for run, value in zip(fresh, predicted, strict=True)
    ]
    assert 0.84 <= sum(under) / len(under) <= 0.97


def test_a_drift_is_said_once_it_is_more_than_noise() -> None:
    before = runs(12, work=1.2, noise=0.03)
    known = taught(before)
    same = taught(before + runs(4, work=1.2, noise=0.03, seed=8), known)
    assert same.drift is None
    slower = taught(before + runs(4, work=1.5, noise=0.03, seed=8), known)
    assert "4 new runs took 1.2" in str(slower.drift)
    assert taught(before + runs(2, work=1.5, seed=8), known).drift is None, "two runs are no proof"


def test_a_new_family_begins_from_what_another_taught_of_the_same_hardware() -> None:
    earlier = taught(runs(30, start=2.0, work=0.4, noise=0.01))
    unseen = runs(20, start=2.2, work=0.45, seed=9)
    (first,) = runs(1, start=2.2, work=0.45, seed=5)
    beside = learn("h", "new", [first], None, NOW, earlier)
    assert error(beside, unseen) < 0.5 * error(taught([first]), unseen)
    assert beside is not None
    assert beside.family == "new"
