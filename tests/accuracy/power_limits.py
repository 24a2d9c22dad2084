"""Seconds and watts under a power limit against Zeus's traces of BERT-base: a batch size, a limit, a GPU left out."""

import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from power_fit import Measured, choose_limit, fit_limits, on_other_device
from score import HEADER, row

from millrace.sizing.catalogue import hardware
from millrace.sizing.coefficients import GPU
from millrace.sizing.power import Limited
from millrace.sizing.roofline import Setup, step_seconds
from millrace.sizing.transformer import Head, shape

DEVICES = {"A40": "a40", "V100": "v100-pcie"}
BAR = 0.10
SLOWDOWN = 0.03
# of a limit that is chosen by the model alone, so that its error does not break what was promised
MARGIN = 0.005
TRACE = Path(__file__).parent / "data" / "zeus_bert_base_power_limit.csv"


def read(path: Path) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = {gpu: [] for gpu in DEVICES}
    with path.open(newline="") as stream:
        for each in csv.DictReader(stream):
            found[each["gpu"]].append(
                Measured(
                    each["dataset"],
                    float(each["batch_size"]),
                    float(each["power_limit"]),
                    # of an epoch, whose rows the trace does not say: a constant factor
                    float(each["time_per_epoch"]),
                    float(each["average_power"]),
                )
            )
    return found


def peak(gpu: str) -> float:
    device = hardware(f"1x{DEVICES[gpu]}").device
    assert device is not None
    return device.peak_watts


def errors(models: dict[str, Limited], judged: Sequence[Measured]) -> tuple[list[float], list[float]]:
    seconds, watts = [], []
    for each in judged:
        predicted = models[each.workload].under(each.batch, each.limit_watts)
        seconds.append(predicted[0] / each.row_seconds - 1)
        watts.append(predicted[1] / each.watts - 1)
    return seconds, watts


def left_out(gpu: str, rows: list[Measured], same: Callable[[Measured], object]) -> tuple[list[float], list[float]]:
    """Each group of equal ``same`` is predicted from all others."""
    seconds, watts = [], []
    for group in sorted({same(each) for each in rows}, key=str):
        known = [each for each in rows if same(each) != group]
        found = errors(dict(fit_limits(known, peak(gpu))), [each for each in rows if same(each) == group])
        seconds += found[0]
        watts += found[1]
    return seconds, watts


def choices(gpu: str, rows: list[Measured], known: bool) -> tuple[list[float], list[float]]:
    """Energy over the best limit's, and slow-down, by the limit that is chosen; its batch was measured or left out."""
    over, slower = [], []
    for workload, batch in sorted({(each.workload, each.batch) for each in rows}):
        own = {each.limit_watts: each for each in rows if (each.workload, each.batch) == (workload, batch)}
        fastest = own[max(own)].row_seconds
        joules = {limit: each.row_seconds * each.watts for limit, each in own.items()}
        best = min(joules[limit] for limit in own if own[limit].row_seconds <= fastest * (1 + SLOWDOWN))
        others = [each for each in rows if (each.workload, each.batch) != (workload, batch)]
        model = fit_limits(rows if known else others, peak(gpu))[workload]
        seen = [each for each in own.values() if known]
        chosen = choose_limit(model, batch, sorted(own), SLOWDOWN - MARGIN * (not known), seen)
        over.append(joules[chosen] / best - 1)
        slower.append(own[chosen].row_seconds / fastest - 1)
    return over, slower


def ratio(known: str, other: str, length: int = 384) -> float:
    """Of a row's seconds by the roofline, in float32 or tf32; nothing is fused: the traces are of eager PyTorch."""
    size = shape("bert-base").size({length: 1.0}, Head("classifier"))
    seconds = []
    for gpu in (known, other):
        chosen = hardware(f"1x{DEVICES[gpu]}")
        assert chosen.device is not None
        setup = Setup(rows=32, precision="tf32" if "tf32" in chosen.device.flops else "float32")
        seconds.append(step_seconds(size, setup, chosen, replace(GPU, unfused=1.0)).device)
    return seconds[1] / seconds[0]


def main() -> int:
    measured, kept = read(TRACE), []
    print(HEADER)
    for gpu, rows in measured.items():
        for name, same in (
            ("a batch size", lambda each: (each.workload, each.batch)),
            ("a limit", lambda each: each.limit_watts),
        ):
            for what, found in zip(("seconds", "watts"), left_out(gpu, rows, same), strict=True):
                line, good = row(f"{gpu}: {name} left out, {what}", found, BAR)
                print(line)
                kept.append(good)
    for gpu, rows in measured.items():
        (other,) = [each for each in measured if each != gpu]
        known = fit_limits(measured[other], peak(other))
        moved = {name: on_other_device(model, peak(gpu), ratio(other, gpu)) for name, model in known.items()}
        for what, found in zip(("seconds", "watts"), errors(moved, rows), strict=True):
            print(row(f"{gpu}: never measured, from {other} and the data sheets, {what}", found)[0])
    for gpu, rows in measured.items():
        for measured_too, where in ((True, "batch measured"), (False, "batch left out")):
            over, slower = choices(gpu, rows, measured_too)
            line, good = row(
                f"{gpu}: joules over the best limit's at <= 3 %, {where}", over, 0.02 if measured_too else None
            )
            print(line)
            print(row(f"{gpu}: slow-down by the chosen limit, {where}", slower, SLOWDOWN)[0])
            kept.append(good)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
