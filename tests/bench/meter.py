"""What metering costs a step: its own CPU time over the step's, and the memory that it adds.

PYTHONPATH=plugins:images/train .venvs/train/bin/python tests/bench/meter.py [--seconds 40]

The step is a process that multiplies matrices on every core, with a child of its own, under a Meter that keeps
a reading every five seconds. The meter's CPU time is that of its thread, of what it does at either end and at four
phases. Its counters are files like RAPL's that are written for this, since no machine has to have them. Memory is the
growth of resident bytes by importing and starting the meter, and by importing zeus as a machine with a GPU does.
Prints one JSON object; exit code 1 beyond a bar.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

SHARE_AT_MOST = 0.005
BYTES_AT_MOST = 160_000_000
PHASES = ("load", "train", "evaluate", "export")


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def sensors(folder: Path) -> Any:
    """Eight counters in files: two packages with memory, and four more of the same kind in the place of GPUs."""
    from millrace.energy.sensors import Sensors, _zone_counter

    counters = []
    for index in range(8):
        file = folder / f"energy{index}_uj"
        file.write_text("0")
        counters.append(_zone_counter(f"zone{index}", file, 2.6e11))
    return Sensors(counters[4:], counters[:4])


def step(seconds: float) -> dict[str, float]:
    """Work under a meter; in a process of its own, so that nothing else is resident."""
    import numpy as np

    from millrace.contracts.measurement import Hardware
    from millrace.storage import files

    before_bytes = resident_bytes()
    from millrace.energy.meter import Meter

    hardware = Hardware(
        name="b", cores=2, gflops_per_core=50, idle_watts_per_core=1, active_watts_per_core=5, memory_bytes=2**30
    )
    spent = _Spent()
    with tempfile.TemporaryDirectory() as name:
        kept = files.to_uri(Path(name) / "meter.json")
        meter = spent.of(
            Meter, hardware, lambda reading: files.write_bytes(kept, reading.model_dump_json().encode()),
            sensors(Path(name)),
        )  # fmt: skip
        watching = meter._watch
        meter._thread = threading.Thread(target=lambda: spent.of(watching), daemon=True)
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        began_cpu = time.process_time()
        spent.of(meter.__enter__)
        added_bytes = resident_bytes() - before_bytes
        matrix = np.ones((1024, 1024), np.float32)
        for phase in PHASES:
            spent.of(meter.begin_phase, phase)
            until = time.monotonic() + seconds / len(PHASES)
            while time.monotonic() < until:
                matrix @ matrix
        spent.of(meter.__exit__, None, None, None)
        step_cpu = time.process_time() - began_cpu
        child.communicate()
    reading = meter.reading()
    if len(reading.phases) != len(PHASES):
        raise RuntimeError("a phase is missing")
    return {"meter_cpu_seconds": spent.seconds, "step_cpu_seconds": step_cpu, "meter_bytes": added_bytes}


class _Spent:
    """CPU seconds of calls, each by its own thread's clock."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of(self, call: Any, *arguments: Any) -> Any:
        began = time.thread_time()
        answer = call(*arguments)
        self.seconds += time.thread_time() - began
        return answer


def zeus() -> dict[str, float]:
    """What a machine with a GPU imports on top."""
    import numpy  # noqa: F401 - the step has it anyway

    from millrace.energy import meter  # noqa: F401

    before = resident_bytes()
    import zeus.device

    for find in (zeus.device.get_gpus, zeus.device.get_cpus):
        try:
            find()
        except Exception as error:  # there is none here: what was imported on the way stays
            print(f"zeus: {type(error).__name__}", file=sys.stderr)
    return {"zeus_bytes": resident_bytes() - before}


def in_process(what: str, seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--only", what, "--seconds", str(seconds)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--only", choices=["step", "zeus"])
    given = parser.parse_args()
    if given.only:
        print(json.dumps(step(given.seconds) if given.only == "step" else zeus()))
        return 0
    found = in_process("step", given.seconds) | in_process("zeus", 0)
    share = found["meter_cpu_seconds"] / found["step_cpu_seconds"]
    added = found["meter_bytes"] + found["zeus_bytes"]
    print(
        json.dumps(
            {
                "meter_cpu_seconds": round(found["meter_cpu_seconds"], 4),
                "step_cpu_seconds": round(found["step_cpu_seconds"], 2),
                "share": round(share, 5),
                "share_at_most": SHARE_AT_MOST,
                "meter_megabytes": round(found["meter_bytes"] / 1e6, 1),
                "zeus_megabytes": round(found["zeus_bytes"] / 1e6, 1),
                "megabytes_at_most": BYTES_AT_MOST / 1e6,
            },
            indent=1,
        )
    )
    return 0 if share <= SHARE_AT_MOST and added <= BYTES_AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
