"""Learns calibrations from every training in the ledger, by hardware and family."""

from datetime import UTC, datetime
from typing import get_args

from millrace.contracts.calibration import Calibration, Predicted
from millrace.contracts.plan import Plan
from millrace.ledger.database import Row
from millrace.ledger.ledger import Ledger
from millrace.sizing.learning import Observation, learn

_COVERAGE_AT_LEAST = 0.9


def calibrate(ledger: Ledger) -> list[Calibration]:
    """Store and return a new calibration version for each hardware and family with new runs.

    After a training of several attempts only the last attempt's memory counts, since each did part of the work. Energy
    is learned from runs with the same energy method as the newest run, since an estimate is not comparable to a sensor.
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
    """Return one line per prediction: its error on new runs, before and after."""
    lines = [f"{learned.hardware}, {learned.family}: version {learned.version} from {learned.runs} runs"]
    lines += [
        f"  {name:10} error on new runs {learned.error_before[name]:.1%} before, {learned.error_after[name]:.1%} after"
        for name in get_args(Predicted)
        if name in learned.error_before
    ]
    return [*lines, *([f"  DRIFT {learned.drift}"] if learned.drift else [])]


def _measured(row: Row, method: str | None) -> dict[Predicted, float]:
    joules, coverage = row["joules"], row["energy_coverage"]
    # an estimate covers the whole time, although its sensor coverage is zero
    whole = method == "estimated" or (coverage or 0) >= _COVERAGE_AT_LEAST
    known = joules is not None and row["wall_seconds"] and row["energy_method"] == method and whole
    values: dict[Predicted, float | None] = {
        "seconds": row["wall_seconds"],
        "watts": joules / row["wall_seconds"] if known else None,
        "memory": row["peak_memory_bytes"],
        "gpu_memory": row["peak_gpu_memory_bytes"],
    }
    return {name: float(value) for name, value in values.items() if value}
