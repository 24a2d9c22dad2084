"""CPU seconds of a training step and peak memory, predicted for the half of the CPU grid that was left out.

Reads what ``cpu_measure.py`` measured. CPU seconds are the least of five windows. The calibrated half teaches the
factors of each family's parts as the ledger's runs do; a new family is one that only ``first_three`` runs are known of.
"""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

from score import HEADER, row

from millrace.contracts.calibration import Parts
from millrace.sizing.catalogue import hardware
from millrace.sizing.coefficients import CPU
from millrace.sizing.job import Job
from millrace.sizing.layers import ModelSize
from millrace.sizing.learning import Observation, learn, scaled
from millrace.sizing.memory import host_memory
from millrace.sizing.mlp import mlp_size
from millrace.sizing.models import shape
from millrace.sizing.roofline import Setup, step_seconds
from millrace.sizing.transformer import Head

DATA = Path(__file__).parent / "data"
LABELS = 8
SECONDS_BAR, MEMORY_BAR = 0.08, 0.05
FAMILIES = {"transformer": "bert_text_classifier", "mlp": "mlp_classifier"}


class Case:
    """A configuration of the grid, and what was measured of it."""

    def __init__(self, given: dict[str, str], measured: dict[str, object]) -> None:
        self.name, self.family, self.split = given["name"], given["family"], given["split"]
        self.first = bool(given["first_three"])
        windows = measured["cpu_seconds"]
        assert isinstance(windows, list)
        self.seconds: float = min(windows)
        self.spread: float = median(windows) / min(windows) - 1
        self.memory = float(str(measured["peak_memory_bytes"]))
        self.load = max(json.loads(json.dumps(measured["load"])))
        self.parts = {"seconds": _step_parts(given), "memory": _memory_parts(given)}

    def seen(self) -> Observation:
        return Observation(
            {"seconds": self.parts["seconds"], "memory": self.parts["memory"]},
            {"seconds": self.seconds, "memory": self.memory},
        )


def _size(given: dict[str, str]) -> ModelSize:
    if given["family"] == "transformer":
        return shape(given["model"]).size({int(given["length"]): 1.0}, Head("classifier", labels=LABELS))
    width, _, hidden = given["model"].partition(":")
    return mlp_size(int(width), [int(units) for units in hidden.split("-")], LABELS)


def _step_parts(given: dict[str, str]) -> Parts:
    """On one core, so that they are CPU seconds; work and launches do not overlap there."""
    one = hardware("cpu").model_copy(update={"cores": 1})
    step = step_seconds(_size(given), Setup(rows=int(given["batch"])), one, CPU)
    return {
        "products": step.products,
        "elementwise": step.elementwise,
        "optimiser": step.optimiser,
        "launches": step.launches,
    }


def _memory_parts(given: dict[str, str]) -> Parts:
    batch = int(given["batch"])
    job = Job(_size(given), train_rows=batch, validation_rows=0, test_rows=0, bytes=0, epochs=1, batch_rows=batch)
    return host_memory(job, hardware("cpu"), CPU)


def read() -> list[Case]:
    lines = (DATA / "cpu_measured.jsonl").read_text().splitlines()
    measured = {found["name"]: found for found in map(json.loads, lines)}
    with (DATA / "cpu_grid.csv").open(newline="") as stream:
        return [Case(given, measured[given["name"]]) for given in csv.DictReader(stream)]


def errors(of: str, judged: Iterable[Case], known: Sequence[Case]) -> list[float]:
    """Predicted over measured, less one, by what the known cases teach; by the priors where there are none."""
    found = []
    for case in judged:
        runs = [other.seen() for other in known if other.family == case.family]
        learned = learn("cpu", FAMILIES[case.family], runs, None, datetime.now(UTC)) if runs else None
        scales = learned.scales.get(of, {}) if learned else {}  # type: ignore[call-overload]
        real = case.seconds if of == "seconds" else case.memory
        found.append(sum(scaled(case.parts[of], scales).values()) / real - 1)
    return found


def main() -> int:
    """Print a row a claim, and say whether every bar is kept."""
    cases = read()
    judged = [case for case in cases if case.split == "judge"]
    known = [case for case in cases if case.split == "calibrate"]
    spread = fmean(case.spread for case in cases)
    bar = max(SECONDS_BAR, 2 * spread)
    loads = [case.load for case in cases]
    print(f"repeats' spread (median over least) {spread:.1%} in the mean; load {min(loads):.1f} to {max(loads):.1f}")
    print(HEADER)
    kept = []
    for of, limit in (("seconds", bar), ("memory", MEMORY_BAR)):
        line, good = row(f"CPU grid, left-out half: {of}", errors(of, judged, known), limit)
        print(line)
        kept.append(good)
        for family in FAMILIES:
            own = [case for case in judged if case.family == family]
            print(row(f"  {family}", errors(of, own, known))[0])
    for family in FAMILIES:
        own = [case for case in judged if case.family == family]
        cold = fmean(map(abs, errors("seconds", own, [])))
        line, good = row(
            f"{family} after three runs, {cold:.1%} cold",
            errors("seconds", own, [case for case in known if case.first]),
            max(SECONDS_BAR, cold / 2),
        )
        print(line)
        kept.append(good)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
