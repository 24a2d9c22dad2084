"""MLPerf's power trace of 8 H100, replayed into a real Prometheus at several scrapes and phases: the runs' joules.

Needs Debian's package prometheus (``prometheus`` and ``promtool``).
"""

import csv
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
from score import HEADER, row

from millrace.energy.prometheus import MeteredEnergy, MeterQuery, Prometheus

DATA = Path(__file__).parent / "data"
BARS = {5: 0.008, 15: 0.015, 30: 0.025}
PHASES = 20
READY_SECONDS = 60


class Run:
    """One run's window and the whole trace around it, in Unix seconds; joules by the trace's own rule."""

    def __init__(self, number: str, begin: float, end: float, trace: list[tuple[float, float]]) -> None:
        self.number, self.begin, self.end, self.trace = number, begin, end, trace
        # the readings of MLPerf's rules: each holds until the next one
        held = [(before, after, watts) for (before, watts), (after, _) in pairwise(trace)]
        self.joules = sum(watts * max(0.0, min(after, end) - max(before, begin)) for before, after, watts in held)

    def scraped(self, every: float, phase: float) -> Iterator[tuple[float, float, float]]:
        """What an exporter shows at each scrape: the newest reading, and the counter behind it in millijoules."""
        times = [at for at, _ in self.trace]
        counted = [0.0]
        for (before, watts), (after, _) in pairwise(self.trace):
            counted.append(counted[-1] + watts * (after - before))
        at = times[0] + phase
        while at < times[-1]:
            here = bisect_right(times, at) - 1
            watts = self.trace[here][1]
            yield at, watts, 1000 * (counted[here] + watts * (at - times[here]))
            at += every


def runs() -> list[Run]:
    traces: dict[str, list[tuple[float, float]]] = {}
    with (DATA / "mlperf_v4.0_bert_8xh100_power.csv").open(newline="") as stream:
        for each in csv.DictReader(stream):
            traces.setdefault(each["run"], []).append((int(each["time_ms"]) / 1000, float(each["node_ac_watts"])))
    with (DATA / "mlperf_v4.0_bert_8xh100_runs.csv").open(newline="") as stream:
        return [
            Run(each["run"], int(each["run_start_ms"]) / 1000, int(each["run_stop_ms"]) / 1000, traces[each["run"]])
            for each in csv.DictReader(stream)
        ]


def write_metrics(path: Path, measured: list[Run], phases: dict[int, list[float]]) -> None:
    """OpenMetrics of a power gauge and an energy counter; a family's samples stand together."""
    with path.open("w") as stream:
        for family, kind, column in (("node_ac_watts", "gauge", 0), ("node_ac_millijoules", "counter", 1)):
            stream.write(f"# TYPE {family} {kind}\n")
            name = family + ("_total" if kind == "counter" else "")
            for run in measured:
                for every, offsets in phases.items():
                    for number, phase in enumerate(offsets):
                        labels = f'run="{run.number}",every="{every}",phase="{number}",instance="node"'
                        for at, *values in run.scraped(every, phase):
                            stream.write(f"{name}{{{labels}}} {values[column]} {at:.3f}\n")
        stream.write("# EOF\n")


@contextmanager
def prometheus(home: Path, metrics: Path) -> Iterator[str]:
    """A server of these samples, without any target."""
    data = home / "data"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(metrics), str(data)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with server(home, "{}", _answers) as url:
        yield url


@contextmanager
def server(home: Path, configuration: str, ready: Callable[[str], bool]) -> Iterator[str]:
    """A Prometheus of its own on the loopback address, from when it is ``ready``; its samples are in ``home/data``."""
    (home / "prometheus.yml").write_text(configuration)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    given = [f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data"]
    given += [f"--web.listen-address={address}", "--storage.tsdb.retention.time=100y"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *given], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not ready(f"http://{address}"):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError((home / "log").read_text()[-2000:])
            time.sleep(0.2)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", trust_env=False).is_success
    except httpx.HTTPError:
        return False


def main() -> int:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        print("no prometheus and promtool here: the replay is left out")
        return 0
    measured, chance = runs(), random.Random(7)
    phases = {every: [chance.uniform(0, every) for _ in range(PHASES)] for every in BARS}
    kept = []
    print(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "metrics"
        write_metrics(metrics, measured, phases)
        with prometheus(Path(folder), metrics) as url:
            for every, bar in BARS.items():
                for kind, name, unit in (
                    ("gauge", "node_ac_watts", 1.0),
                    ("counter", "node_ac_millijoules_total", 1e-3),
                ):
                    errors = []
                    for run in measured:
                        for phase in range(PHASES):
                            chosen = f'{name}{{run="{run.number}",every="{every}",phase="{phase}"}}'
                            query = MeterQuery(kind, chosen, unit)  # type: ignore[arg-type]
                            found = MeteredEnergy(Prometheus(url), (query,), scrape_seconds=every).read(
                                run.begin, run.end
                            )
                            assert found.joules is not None, found.reason
                            errors.append(found.joules / run.joules - 1)
                    line, good = row(f"joules of a run by a {kind}, scraped every {every} s", errors, bar)
                    print(line)
                    kept.append(good)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
