"""Plans that learn from the ledger: which runs count, and versions one after the other."""

from collections.abc import Callable

import pytest

from millrace.contracts.measurement import MeterReading
from millrace.contracts.plan import Plan
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.planning.calibrate import calibrate, describe

PARTS = {"seconds": {"products": 10.0}, "watts": {"host_active": 5.0}, "memory": {"states": 1000.0}}
Train = Callable[..., None]


@pytest.fixture
def train(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    reading: Callable[..., MeterReading],
    plan: Callable[..., Plan],
) -> Train:
    """A run with a plan and one training try, or more where ``tries`` says so."""

    def train(run_id: str, tries: int = 1, family: str | None = "bert", **measured: object) -> None:
        open_run(run_id)
        ledger.store_plan("dag", run_id, 0, plan(family=family, parts=PARTS))
        for number in range(1, tries):
            ledger.commit_lost_try(key("train", run_id, try_number=number), reading(), f"{run_id}-{number}", "killed")
        whole = report(meter=reading(**measured))
        ledger.commit_report(key("train", run_id, try_number=tries), whole, f"{run_id}-last")

    return train


def test_nothing_is_learned_from_nothing(ledger: Ledger) -> None:
    assert calibrate(ledger) == []
    assert ledger.calibration("h", "bert") is None


def test_versions_follow_each_other_with_new_runs_alone(ledger: Ledger, train: Train) -> None:
    for number in range(3):
        train(f"run-{number}", wall_seconds=20.0, peak_memory_bytes=1500, joules=100.0)
    (first,) = calibrate(ledger)
    assert (first.hardware, first.family, first.version, first.runs) == ("h", "bert", 1, 3)
    assert first.scales["seconds"]["products"] == pytest.approx(2, rel=0.01)
    assert first.scales["watts"]["host_active"] == pytest.approx(1, rel=0.01)
    assert first.scales["memory"]["states"] == pytest.approx(1.5, rel=0.01)
    assert ledger.calibration("h", "bert") == first
    assert calibrate(ledger) == []
    train("run-3", wall_seconds=20.0, peak_memory_bytes=1500)
    (second,) = calibrate(ledger)
    assert second.version == 2
    assert ledger.calibration("h", "bert") == second
    assert second.error_before["seconds"] < 0.01
    assert "version 2 from 4 runs" in describe(second)[0]


def test_another_family_is_learned_by_itself(ledger: Ledger, train: Train) -> None:
    train("a", wall_seconds=20.0)
    train("b", family="mlp", wall_seconds=5.0)
    found = {each.family: each.scales["seconds"]["products"] for each in calibrate(ledger)}
    assert found["bert"] == pytest.approx(2, rel=0.01)
    assert found["mlp"] == pytest.approx(0.5, rel=0.02)


def test_a_training_of_several_tries_says_what_memory_it_took_and_nothing_else(ledger: Ledger, train: Train) -> None:
    train("older", family=None, wall_seconds=3.0)
    assert calibrate(ledger) == []
    train("resumed", tries=2, wall_seconds=3.0, peak_memory_bytes=2500, joules=100.0)
    (learned,) = calibrate(ledger)
    assert learned.scales == {"memory": {"states": pytest.approx(2.5, rel=0.01)}}


def test_a_sensors_joules_are_not_mixed_with_estimates(ledger: Ledger, train: Train) -> None:
    train("estimated", wall_seconds=10.0, joules=500.0, energy_method="estimated", energy_coverage=0.0)
    train("seen", wall_seconds=10.0, joules=100.0, energy_method="nvml", energy_coverage=1.0)
    (learned,) = calibrate(ledger)
    assert learned.scales["watts"]["host_active"] == pytest.approx(2, rel=0.01)


def test_a_sensor_that_saw_little_is_left_out(ledger: Ledger, train: Train) -> None:
    train("seen", wall_seconds=10.0, joules=100.0, energy_method="nvml", energy_coverage=0.5)
    (learned,) = calibrate(ledger)
    assert "watts" not in learned.scales


def test_two_that_learn_at_once_store_one_version(ledger: Ledger, train: Train) -> None:
    train("a", wall_seconds=20.0)
    (learned,) = calibrate(ledger)
    assert ledger.store_calibration(learned) is False
