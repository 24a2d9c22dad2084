"""Counters wrap, are reset and fail; none of it invents or loses joules in silence."""

from types import SimpleNamespace

import pytest

from millrace.energy.sensors import EnergyCounter


class Dial:
    """A counter's value, or an error to raise."""

    def __init__(self, value: float) -> None:
        self.value: float | Exception = value

    def __call__(self) -> float:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_counts_from_the_start(clock: SimpleNamespace) -> None:
    dial = Dial(1000.0)
    counter = EnergyCounter("gpu0", dial, clock=lambda: clock.seconds)
    counter.start()
    for dial.value in (1010.0, 1025.0):
        counter.update()
    assert counter.joules == pytest.approx(25)


def test_a_wrap_adds_one_turn(clock: SimpleNamespace) -> None:
    dial = Dial(95.0)
    counter = EnergyCounter("package-0", dial, wraps_at_joules=100.0, clock=lambda: clock.seconds)
    counter.start()
    for dial.value in (5.0, 90.0, 10.0):
        counter.update()
    assert counter.joules == pytest.approx(10 + 85 + 20)


def test_a_reset_keeps_what_was_seen_and_stops_there(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    dial = Dial(1000.0)
    counter = EnergyCounter("gpu0", dial, clock=lambda: clock.seconds)
    counter.start()
    clock.seconds += 10
    dial.value = 1500.0
    counter.update()
    clock.seconds += 10
    for dial.value in (3.0, 800.0, 1600.0):
        counter.update()
    assert (counter.joules, counter.seen_seconds) == (pytest.approx(500), pytest.approx(10))
    assert "went back" in caplog.text


def test_unreadable_at_the_start_is_unknown_not_zero(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    dial = Dial(0)
    dial.value = PermissionError("energy_uj")
    counter = EnergyCounter("package-0", dial, clock=lambda: clock.seconds)
    counter.start()
    dial.value = 50.0
    counter.update()
    assert counter.joules is None
    assert counter.seen_seconds == 0
    assert "energy_uj" in caplog.text


def test_never_read_after_the_start_is_unknown_not_zero(clock: SimpleNamespace) -> None:
    dial = Dial(5.0)
    counter = EnergyCounter("package-0", dial, clock=lambda: clock.seconds)
    counter.start()
    dial.value = OSError("gone")
    counter.update()
    assert counter.joules is None


def test_a_glitch_loses_nothing_and_is_logged_once(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    dial = Dial(10.0)
    counter = EnergyCounter("gpu0", dial, clock=lambda: clock.seconds)
    counter.start()
    dial.value = OSError("busy")
    counter.update()
    counter.update()
    clock.seconds += 7
    dial.value = 40.0
    counter.update()
    assert (counter.joules, counter.seen_seconds) == (pytest.approx(30), pytest.approx(7))
    assert caplog.text.count("busy") == 1
