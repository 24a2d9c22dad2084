"""The public view: its columns, their order, and what each one counts."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from millrace.contracts.errors import RefusedError
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.plan import Plan
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger

COLUMNS = """
dag_id, run_id, repeat, workload, team, site, partition, state, reason, started_at, finished_at, dataset_version,
model_version, quality_metric, quality, predicted_seconds, measured_seconds, predicted_peak_memory_bytes,
measured_peak_memory_bytes, predicted_peak_gpu_memory_bytes, measured_peak_gpu_memory_bytes, predicted_joules,
measured_joules, energy_method, energy_coverage, predicted_cost, cost, currency, predicted_gco2e, gco2e, decision,
reason_code
"""


def test_the_columns_and_their_order(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    assert list(ledger.run_summary()[0]) == [name.strip() for name in COLUMNS.split(",")]


def test_what_is_unknown_is_null(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    row = ledger.run_summary()[0]
    known = {"dag_id", "run_id", "repeat", "workload", "team", "site", "partition", "state", "started_at"}
    assert {name for name, value in row.items() if value is not None} == known
    assert row["partition"] == "2024-03-01"


@pytest.fixture
def measured(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    reading: Callable[..., MeterReading],
) -> Callable[..., dict[str, object]]:
    """A run with one ingest, one killed and one whole training try; its summary."""

    def measured(ingest: dict[str, object], killed: dict[str, object], trained: dict[str, object]) -> dict[str, object]:
        ledger.commit_report(key("ingest"), report(meter=reading(**ingest)), "a")
        ledger.commit_lost_try(key("train"), reading(**killed), "b", "killed")
        ledger.commit_report(key("train", try_number=2), report(meter=reading(**trained)), "c")
        return dict(ledger.run_summary()[0])

    open_run(quality_metric="macro_f1")
    return measured


def test_sums_and_peaks(measured: Callable[..., dict[str, object]]) -> None:
    row = measured(
        {"wall_seconds": 5, "joules": 10, "peak_memory_bytes": 9_000},
        {"wall_seconds": 3, "joules": 20, "peak_memory_bytes": 4_000, "peak_gpu_memory_bytes": 70},
        {"wall_seconds": 7, "joules": 40, "peak_memory_bytes": 3_000},
    )
    assert (row["measured_seconds"], row["measured_joules"]) == (15, 70)
    assert (row["measured_peak_memory_bytes"], row["measured_peak_gpu_memory_bytes"]) == (4_000, 70)


def test_the_common_method_and_coverage_by_time(measured: Callable[..., dict[str, object]]) -> None:
    row = measured(
        {"wall_seconds": 10, "energy_method": "rapl", "energy_coverage": 1.0},
        {"wall_seconds": 20, "energy_method": "rapl", "energy_coverage": 0.5},
        {"wall_seconds": 70, "energy_method": "rapl", "energy_coverage": 1.0},
    )
    assert row["energy_method"] == "rapl"
    assert row["energy_coverage"] == pytest.approx(0.9)


def test_mixed_methods_and_unknown_coverage(measured: Callable[..., dict[str, object]]) -> None:
    row = measured(
        {"energy_method": "rapl", "energy_coverage": 0.5, "wall_seconds": 4},
        {"energy_method": None, "energy_coverage": None, "joules": None, "wall_seconds": 90},
        {"energy_method": "nvml", "energy_coverage": 1.0, "wall_seconds": 4},
    )
    assert row["energy_method"] == "mixed"
    assert row["energy_coverage"] == pytest.approx(0.75)
    assert row["measured_joules"] == 200


def test_predictions_are_medians_and_prices_are_the_plans(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
) -> None:
    open_run()
    hardware = Hardware(
        name="h",
        cores=1,
        gflops_per_core=1,
        idle_watts_per_core=1,
        active_watts_per_core=1,
        memory_bytes=1,
        price_per_hour=36,
    )
    # 20 s at 36 an hour are 0.2; 50 J at 0.01 a joule are 0.5
    priced = plan(hardware=hardware, cost=Quantity(p50=0.7, p90=2), currency="EUR", gco2e=Quantity(p50=5, p90=9))
    ledger.store_plan("dag", "run", 0, priced)
    ledger.commit_report(key("ingest"), report(), "a")  # 10 s, 100 J
    row = ledger.run_summary()[0]
    assert (row["predicted_seconds"], row["predicted_joules"], row["predicted_peak_memory_bytes"]) == (20, 50, 2000)
    assert (row["predicted_cost"], row["currency"], row["predicted_gco2e"]) == (0.7, "EUR", 5)
    assert row["cost"] == pytest.approx(10 * 36 / 3600 + 100 * 0.01)
    assert row["gco2e"] == pytest.approx(10)


def test_without_a_tariff_there_is_no_cost(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
) -> None:
    open_run()
    ledger.store_plan("dag", "run", 0, plan())
    ledger.commit_report(key("ingest"), report(), "a")
    row = ledger.run_summary()[0]
    assert (row["predicted_cost"], row["cost"], row["currency"], row["gco2e"]) == (None, None, None, None)


def test_a_plan_is_stored_before_training_and_never_after(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
) -> None:
    open_run()
    assert ledger.plan("dag", "run") is None
    ledger.store_plan("dag", "run", 0, plan(joules=1.0))
    ledger.store_plan("dag", "run", 0, plan(joules=2.0))
    assert ledger.plan("dag", "run") == plan(joules=2.0)
    ledger.commit_report(key("train"), report(outcome="interrupted", exit_code=30), "a")
    ledger.store_plan("dag", "run", 0, plan(joules=2.0))  # the same again, by a task that was retried
    with pytest.raises(RefusedError, match="before training"):
        ledger.store_plan("dag", "run", 0, plan(joules=3.0))
    assert ledger.run_summary()[0]["predicted_joules"] == 2
    ledger.close_run("dag", "run", 0, state="failed", reason="x")
    open_run()
    ledger.store_plan("dag", "run", 1, plan(joules=3.0))
    assert ledger.plan("dag", "run") == plan(joules=3.0)


def test_times_are_utc_text_of_one_width(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    ledger.close_run("dag", "run", 0, state="dry_run", reason="asked for the plan only")
    row = ledger.run_summary()[0]
    for name in ("started_at", "finished_at"):
        assert len(row[name]) == len("2024-03-01T00:00:00.000000+00:00")
        age = datetime.now(UTC) - datetime.fromisoformat(row[name])
        assert abs(age.total_seconds()) < 3600
    assert date.fromisoformat(row["partition"]) == date(2024, 3, 1)
