"""Ingest of a window in one part against two side by side: whole steps, as processes, as the launcher starts them.

PYTHONPATH=plugins:images/data .venvs/data/bin/python tests/bench/parts.py [--bytes 2400000000] [--repeats 3]

Each process has one core of its own, as a pod of ingest requests one; the start of Python and the imports are in the
time. The window's days are divided as by `plan_ingest`. Beside the ratio, the same without pinning: there one
process has the whole machine, whose cores it uses for reading, encoding and digesting. Prints one JSON line a run and
one at the end: least seconds, their ratios and the bar; exits 1 where it is missed or the parts staged other rows.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from ingest import dataset, write_documents

from millrace.contracts.data import Window
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.report import IngestResult, Report
from millrace.contracts.run_spec import REPORT_FILE, IngestTask, RunSpec, TryKey
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.sizing.parts import divide
from millrace.storage.arrivals import arrived_bytes

BAR = 1.6
WINDOW = Window(first=date(2026, 1, 1), last=date(2026, 1, 4))


def order(folder: Path, part: Window, index: int) -> RunSpec:
    """The order of one part."""
    attempt = folder / f"part-{index}"
    attempt.mkdir(parents=True)
    return RunSpec(
        key=TryKey(dag_id="bench", run_id="bench", repeat=0, task_id="ingest", map_index=index, try_number=1),
        workload=Workload(
            name="bench", description="b", owner="bench", team="bench", start=WINDOW.first,
            dataset=dataset(folder.parent.as_uri(), ()),
            training=Training(trainer="t"), gate=GatePolicy(quality_floor=0),
        ),
        parameters=Parameters(epochs=1, batch_size=8, learning_rate=0.1),
        hardware=Hardware(
            name="b", cores=1, gflops_per_core=50, idle_watts_per_core=1, active_watts_per_core=5, memory_bytes=2**30
        ),
        attempt_uri=attempt.as_uri(), state_uri=attempt.as_uri(), task=IngestTask(window=part),
    )  # fmt: skip


def measure(folder: Path, parts: int, pinned: bool) -> tuple[float, list[tuple[str, int, str]]]:
    """Seconds until the last part has ended, and what was staged."""
    source = dataset(folder.as_uri(), ()).source
    windows = divide(WINDOW, {day: arrived_bytes(source, day) or 0 for day in WINDOW.days}, parts)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        orders = [order(Path(name), window, index) for index, window in enumerate(windows)]
        cores = sorted(os.sched_getaffinity(0))
        started_seconds = time.perf_counter()
        processes = []
        for index, spec in enumerate(orders):
            file = Path(name) / f"{index}.json"
            file.write_text(spec.model_dump_json())
            pin = ["taskset", "-c", str(cores[index % len(cores)])] if pinned else []
            command = [*pin, sys.executable, "-m", "millrace_data", "--spec", file.as_uri()]
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        if any([process.wait() for process in processes]):
            raise RuntimeError("a part failed")
        seconds = time.perf_counter() - started_seconds
        staged = []
        for spec in orders:
            uri = spec.attempt_uri.removeprefix("file://")
            result = Report.model_validate_json((Path(uri) / REPORT_FILE).read_text()).result
            assert isinstance(result, IngestResult)
            staged += [(str(each.partition), each.rows, each.content_sha256) for each in result.staged]
    return seconds, staged


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2_400_000_000, help="of all days together")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    variants = [(parts, pinned) for pinned in (True, False) for parts in (1, 2)]
    least = dict.fromkeys(variants, float("inf"))
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        first = Path(name) / f"{WINDOW.first}.jsonl"
        write_documents(first, given.bytes // len(WINDOW.days))
        for day in WINDOW.days[1:]:
            first.with_name(f"{day}.jsonl").hardlink_to(first)
        known = None
        for _ in range(given.repeats):
            for parts, pinned in variants:
                seconds, staged = measure(Path(name), parts, pinned)
                print(json.dumps({"parts": parts, "a_core_each": pinned, "seconds": round(seconds, 2)}), flush=True)
                least[parts, pinned] = min(least[parts, pinned], seconds)
                if known not in (None, staged):
                    raise RuntimeError("the parts staged something else")
                known = staged
    speed_up = least[1, True] / least[2, True]
    summary = {
        "least_seconds": {f"{parts} parts, {'a core each' if pinned else 'all cores'}": round(seconds, 2)
                          for (parts, pinned), seconds in least.items()},
        "speed_up_of_two_parts": round(speed_up, 3),
        "speed_up_without_pinning": round(least[1, False] / least[2, False], 3),
        "bar": BAR,
    }  # fmt: skip
    print(json.dumps(summary), flush=True)
    return 0 if speed_up >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
