"""A step's phases: each one's part of the whole."""

import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from millrace.contracts.measurement import Hardware, MeterReading, PhaseReading, together
from millrace.energy.meter import Mark, Meter, Phases, begin_phase
from millrace.energy.sensors import EnergyCounter, Sensors
from tests.unit.energy.replay import ReplaySensors

H100_TRACE = Path(__file__).with_name("mlperf_bert_8xh100_run0.csv")


def test_phases_follow_each_other_and_none_counts_twice(hardware: Hardware) -> None:
    begin_phase("load")  # no meter: nothing happens
    with Meter(hardware, sensors=Sensors()) as meter:
        begin_phase("load")
        time.sleep(0.1)
        begin_phase("train")
        while time.process_time() < 0.1:
            pass
        begin_phase("load")
    whole = meter.reading()
    begin_phase("export")
    assert meter.reading() == whole
    assert [phase.phase for phase in whole.phases] == ["load", "train"]
    for name in ("wall_seconds", "cpu_seconds", "joules", "idle_joules"):
        assert sum(getattr(phase, name) for phase in whole.phases) <= getattr(whole, name) + 1e-9
    for phase in whole.phases:
        assert phase.idle_joules == pytest.approx(2 * 4 * phase.wall_seconds)
        assert phase.joules == pytest.approx(2 * 4 * phase.wall_seconds + 10 * phase.cpu_seconds)
    load, train = whole.phases
    assert load.wall_seconds > 0.1
    assert train.energy_coverage == 0.0


def test_a_recorded_trace_of_eight_gpus_is_told_apart_by_phase() -> None:
    clock = SimpleNamespace(seconds=0.0)
    sensors = ReplaySensors(H100_TRACE, clock=lambda: clock.seconds)
    sensors.start()
    phases = Phases()

    def mark(at: float) -> Mark:
        clock.seconds = at
        sensors.sample()
        return Mark(at, 0.0, sensors.joules(), sensors.seen_seconds)

    for phase, at in (("load", 0.0), ("train", 60.0), ("evaluate", 240.0)):
        phases.begin(phase, mark(at))  # type: ignore[arg-type]
    end = mark(300.0)
    found = phases.until(end)
    assert end.joules is not None
    assert sum(used.joules or 0 for used in found.values()) == pytest.approx(end.joules)
    assert all(1_500 < (used.joules or 0) / used.wall_seconds < 8_000 for used in found.values())


@pytest.mark.parametrize("dark_from", [0.0, 30.0])
def test_a_phase_that_no_sensor_saw_is_uncovered(dark_from: float) -> None:
    clock, joules = SimpleNamespace(seconds=0.0), SimpleNamespace(value=0.0)

    def read() -> float:
        if clock.seconds > dark_from:
            raise OSError("driver is gone")
        return joules.value

    sensors = Sensors([EnergyCounter("gpu0", read, clock=lambda: clock.seconds)], [])
    sensors.start()
    phases = Phases()
    for at, phase in ((0.0, "load"), (20.0, "train"), (40.0, "evaluate")):
        clock.seconds, joules.value = at, at * 100
        sensors.sample()
        phases.begin(phase, Mark(at, 0.0, sensors.joules(), sensors.seen_seconds))  # type: ignore[arg-type]
    found = phases.until(Mark(60.0, 0.0, sensors.joules(), sensors.seen_seconds))
    seen = {"load": 20.0 if dark_from else 0.0, "train": 0.0, "evaluate": 0.0}
    assert {phase: used.seen_seconds for phase, used in found.items()} == seen


def test_a_worker_groups_phases_add_up_and_one_unknown_part_makes_the_sum_unknown() -> None:
    def reading(joules: float | None) -> MeterReading:
        train = PhaseReading(phase="train", wall_seconds=8, cpu_seconds=8, joules=joules, energy_coverage=1.0)
        return MeterReading(started_at=datetime.now(UTC), wall_seconds=10, cpu_seconds=9, joules=1, phases=(train,))

    (both,) = together([reading(5.0), reading(7.0)]).phases
    assert (both.joules, both.cpu_seconds, both.wall_seconds, both.energy_coverage) == (12.0, 16, 8, 1.0)
    (one,) = together([reading(5.0), reading(None)]).phases
    assert one.joules is None
