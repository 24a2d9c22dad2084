"""Learns from every run of the ledger that trained, by hardware and family."""

from datetime import UTC, datetime
from typing import get_args

from millrace.contracts.calibration import Calibration, Predicted
from millrace.contracts.plan import Plan
from millrace.ledger.database import Row
from millrace.ledger.ledger import Ledger
from millrace.sizing.learning import Observation, learn

_COVERAGE_AT_LEAST = 0.9


def calibrate(ledger: Ledger) -> list[Calibration]:
    """Store a new version wherever there are new runs; those that were stored.

    Of a training that took several tries only its last one's memory counts: it did a part of the work. Energy is
    learned from runs whose joules came the way the newest run's did, since an estimate says nothing of a sensor.
    """
    rows: dict[tuple[str, str], list[tuple[Plan, Row]]] = {}
    for row in ledger.trained_runs():
        plan = Plan.model_validate_json(row["plan"])
        if plan.family and plan.parts:
            rows.setdefault((plan.hardware.name, plan.family), []).append((plan, row))
    stored = []
    for (hardware, family), found in sorted(rows.items()):
        method = found[-1][1]["energy_method"]
        runs = [Observation(plan.parts, _measured(row, method)) for plan, row in found]
        others = [ledger.calibration(*key) for key in rows if key[0] == hardware and key[1] != family]
        relative = max((each for each in others if each is not None), key=lambda each: each.runs, default=None)
        current = ledger.calibration(hardware, family)
        learned = learn(hardware, family, runs, current, datetime.now(UTC), relative)
        if learned is not None and ledger.store_calibration(learned):
            stored.append(learned)
    return stored


def describe(learned: Calibration) -> list[str]:
    """A line a prediction: its error on runs that were new, before and after."""
    lines = [f"{learned.hardware}, {learned.family}: version {learned.version} from {learned.runs} runs"]
    lines += [
        f"  {name:10} error on new runs {learned.error_before[name]:.1%} before, {learned.error_after[name]:.1%} after"
        for name in get_args(Predicted)
        if name in learned.error_before
    ]
    return [*lines, *([f"  DRIFT {learned.drift}"] if learned.drift else [])]


def _measured(row: Row, method: str | None) -> dict[Predicted, float]:
    joules, coverage = row["joules"], row["energy_coverage"]
    # an estimate is of the whole time, and no sensor covers any of it
    whole = method == "estimated" or (coverage or 0) >= _COVERAGE_AT_LEAST
    known = joules is not None and row["wall_seconds"] and row["energy_method"] == method and whole
    values: dict[Predicted, float | None] = {
        "seconds": row["wall_seconds"],
        "watts": joules / row["wall_seconds"] if known else None,
        "memory": row["peak_memory_bytes"],
        "gpu_memory": row["peak_gpu_memory_bytes"],
    }
    return {name: float(value) for name, value in values.items() if value}
