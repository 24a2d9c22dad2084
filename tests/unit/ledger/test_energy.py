"""A run's energy: by phase, in three accounts, and as meters saw it."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace.contracts.measurement import MeteredJoules, MeterReading
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger

Keys = Callable[..., TryKey]
Reports = Callable[..., Report]
Readings = Callable[..., MeterReading]
TRAIN = {"phase": "train", "wall_seconds": 6.0, "cpu_seconds": 4.0, "joules": 60.0, "idle_joules": 12.0}


def test_active_idle_and_the_buildings_joules_are_kept_apart(
    ledger: Ledger, open_run: Callable[..., Any], key: Keys, report: Reports, reading: Readings
) -> None:
    open_run(pue=1.5)
    ledger.commit_report(key("ingest"), report(meter=reading(joules=100.0, idle_joules=40.0)), "a")
    ledger.commit_report(key("train"), report(meter=reading(joules=300.0, idle_joules=60.0)), "b")
    (row,) = ledger.run_energy("dag", "run")
    accounts = ("active_joules", "idle_joules", "joules", "pue", "facility_joules", "metered_joules")
    assert [row[name] for name in accounts] == [300.0, 100.0, 400.0, 1.5, 600.0, None]
    ledger.commit_report(key("export"), report(meter=reading(joules=10.0, idle_joules=None)), "c")
    (row,) = ledger.run_energy("dag", "run")
    assert [row[name] for name in accounts[:3]] == [None, None, 410.0], "one try's idle share is unknown"


def test_without_a_pue_the_buildings_joules_are_unknown(ledger: Ledger, open_run: Callable[..., Any]) -> None:
    open_run()
    (row,) = ledger.run_energy("dag", "run")
    assert (row["joules"], row["pue"], row["facility_joules"]) == (None, None, None)


def test_phases_are_counted_once_with_their_try(
    ledger: Ledger, open_run: Callable[..., Any], key: Keys, report: Reports, reading: Readings
) -> None:
    open_run()
    lost = reading(phases=[TRAIN])
    ledger.commit_lost_try(key("train"), lost, "pod:a", "evicted")
    ledger.commit_report(key("train", try_number=2), report(meter=reading(phases=[TRAIN])), "pod:b")
    ledger.commit_report(key("train", try_number=2), report(meter=lost, outcome="interrupted"), "pod:a")
    (row,) = ledger.phases("dag", "run", 0)
    assert (row["step"], row["phase"], row["joules"], row["idle_joules"]) == ("train", "train", 120.0, 24.0)
    assert row["energy_coverage"] is None


def test_what_meters_saw_is_kept_beside_it_or_why_they_did_not(ledger: Ledger, open_run: Callable[..., Any]) -> None:
    open_run()
    ledger.record_metered("dag", "run", 0, MeteredJoules(coverage=0.0, reason="Prometheus does not answer"))
    (row,) = ledger.run_energy("dag", "run")
    assert (row["metered_joules"], row["metered_coverage"]) == (None, 0.0)
    assert row["metered_reason"] == "Prometheus does not answer"
    ledger.record_metered("dag", "run", 0, MeteredJoules(joules=90.0, coverage=0.97, meter="kepler"))
    (row,) = ledger.run_energy("dag", "run")
    assert (row["metered_joules"], row["meter"], row["metered_reason"]) == (90.0, "kepler", None)
    with pytest.raises(ValueError, match="the reason why"):
        MeteredJoules(coverage=0.0)
