"""CPU seconds of a training step and peak memory, predicted for the half of the CPU grid that was left out.

Reads what ``cpu_measure.py`` measured. CPU seconds are the least of five windows. The calibrated half teaches the
factors of each family's parts as the ledger's runs do. A new family is one that only ``first_three`` runs are known
of, on hardware that knows the other family. Peaks are of forked processes: a part of the libraries' own pages is not
in them.
"""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

from score import HEADER, row

from millrace.contracts.calibration import Calibration, Parts, Predicted
from millrace.sizing.catalogue import hardware
from millrace.sizing.coefficients import CPU
from millrace.sizing.families import mlp_size
from millrace.sizing.job import Job, ModelSize
from millrace.sizing.learning import Observation, learn, scaled
from millrace.sizing.roofline import Setup, host_memory, step_seconds
from millrace.sizing.transformer import Head, shape

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
        self.load = max(json.loads(json.dumps(measured["load"])))
        peak = float(str(measured["peak_memory_bytes"]))
        self.measured: dict[Predicted, float] = {"seconds": self.seconds, "memory": peak}
        self.parts: dict[Predicted, Parts] = {"seconds": _step_parts(given), "memory": _memory_parts(given)}

    def seen(self) -> Observation:
        return Observation(self.parts, self.measured)


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


def teach(known: Sequence[Case], relative: Calibration | None = None) -> Calibration | None:
    """What one family's known cases teach; None where there are none."""
    if not known:
        return None
    (family,) = {case.family for case in known}
    return learn("cpu", FAMILIES[family], [case.seen() for case in known], None, datetime.now(UTC), relative)


def errors(of: Predicted, judged: Iterable[Case], learned: Calibration | None) -> list[float]:
    """Predicted over measured, less one; by the priors where nothing was learned."""
    scales = learned.scales.get(of, {}) if learned else {}
    return [sum(scaled(case.parts[of], scales).values()) / case.measured[of] - 1 for case in judged]


def _of(cases: Iterable[Case], family: str) -> list[Case]:
    return [case for case in cases if case.family == family]


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
    taught = {family: teach([case for case in known if case.family == family]) for family in FAMILIES}
    limits: dict[Predicted, float] = {"seconds": bar, "memory": MEMORY_BAR}
    for of, limit in limits.items():
        found = {family: errors(of, _of(judged, family), taught[family]) for family in FAMILIES}
        line, good = row(f"CPU grid, left-out half: {of}", [each for part in found.values() for each in part], limit)
        print(line)
        kept.append(good)
        for family, part in found.items():
            print(row(f"  {family}", part)[0])
    for family, other in (tuple(FAMILIES), tuple(FAMILIES)[::-1]):
        own = _of(judged, family)
        cold = fmean(map(abs, errors("seconds", own, None)))
        borrowed = fmean(map(abs, errors("seconds", own, taught[other])))
        learned = teach([case for case in _of(known, family) if case.first], taught[other])
        name = f"{family} after 3 runs ({cold:.0%} cold, {borrowed:.0%} as {other})"
        line, good = row(name, errors("seconds", own, learned), max(SECONDS_BAR, cold / 2))
        print(line)
        kept.append(good)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
