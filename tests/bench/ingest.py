"""Ingest against bare pyarrow (`open_json` -> `ParquetWriter`): the same file, compression, block size and threads.

PYTHONPATH=plugins:images/data .venvs/data/bin/python tests/bench/ingest.py [--bytes 2000000000] [--repeats 5]

Prints one JSON line a run and one at the end: medians, ratios of throughput (bare seconds / our seconds) and the
peak resident memory of our runs, beside the bars that the project set itself; exits 1 where one is missed. Every run is
a fresh process; imports are not timed.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pajson
import pyarrow.parquet as pq

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.step.main import Stop
from millrace_data.ingest import limit_parsing_memory
from millrace_data.partition import stage_partition
from millrace_data.schema import source_schema
from millrace_data.source import BLOCK_BYTES
from millrace_data.staging import COMPRESSION_LEVEL

DAY = date(2026, 1, 1)
BARS = {"ratio": 0.9, "ratio_with_deduplication": 0.8, "peak_memory_bytes": 512 * 2**20}
LABELS = tuple(f"label{number:02}" for number in range(33))
DUPLICATES_PER_ROW = 0.02


def dataset(folder_uri: str, unique_by: tuple[str, ...]) -> Dataset:
    """Messages with several labels each, as in the demonstration."""
    return Dataset(
        source=Source(uri_template=f"{folder_uri}/{{partition}}.jsonl", format="jsonl"),
        columns=(
            Column(name="id", type="string", min_length=1, max_length=64),
            Column(name="text", type="string", min_length=1, max_length=1_000_000),
            Column(name="labels", type="list<string>", min_length=1),
            Column(name="split", type="string"),
        ),
        features=("text",),
        target=Target(column="labels", kind="multi_label", labels=LABELS),
        split=Split(key="id", column="split"),
        unique_by=unique_by,
    )


def write_documents(path: Path, wanted_bytes: int) -> int:
    """About 1.2 KB of words a row, frequent and rare ones as in a language; returns the rows."""
    draw = random.Random(11)
    words = ["".join(draw.choices("etaoinshrdlucmfwypvbgk", k=draw.randint(2, 10))) for _ in range(30_000)]
    pool = draw.choices(words, weights=[1 / (rank + 1) ** 0.9 for rank in range(len(words))], k=2_000_000)
    rows, written, text = 0, 0, ""
    with path.open("w", encoding="utf-8") as file:
        while written < wanted_bytes:
            if not text or draw.random() > DUPLICATES_PER_ROW:
                length = draw.randint(60, 300)
                start = draw.randrange(len(pool) - length)
                text = " ".join(pool[start : start + length])
            labels = draw.sample(LABELS, draw.randint(2, 5))
            row = {
                "id": f"message-{rows:09}",
                "text": text,
                "labels": labels,
                "split": "test" if rows % 5 == 0 else "train",
            }
            written += file.write(json.dumps(row) + "\n")
            rows += 1
    return rows


def bare(folder: Path) -> int:
    """The shortest way from JSON Lines to Parquet that pyarrow has."""
    schema = source_schema(dataset(folder.as_uri(), ()))
    reader = pajson.open_json(
        folder / f"{DAY}.jsonl",
        read_options=pajson.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    )
    rows = 0
    with pq.ParquetWriter(
        folder / "bare.parquet", schema, compression="zstd", compression_level=COMPRESSION_LEVEL
    ) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def ours(folder: Path, unique_by: tuple[str, ...]) -> int:
    """What the step ingest does for one partition."""
    staged = stage_partition(dataset(folder.as_uri(), unique_by), DAY, (folder / "out").as_uri(), Stop())
    if staged is None:
        raise FileNotFoundError(folder)
    return staged.rows + staged.duplicates


VARIANTS: dict[str, Callable[[Path], int]] = {
    "bare": bare,
    "ingest": lambda folder: ours(folder, ()),
    "ingest with de-duplication": lambda folder: ours(folder, ("text",)),
}


def run_one(variant: str, folder: Path) -> None:
    """Measure one variant in this process and print it."""
    limit_parsing_memory()
    started_seconds, started_cpu_seconds = time.perf_counter(), time.process_time()
    rows = VARIANTS[variant](folder)
    seconds, cpu_seconds = time.perf_counter() - started_seconds, time.process_time() - started_cpu_seconds
    found = {"variant": variant, "rows": rows, "seconds": seconds, "cpu_seconds": cpu_seconds}
    print(json.dumps(found | {"peak_memory_bytes": peak_memory_bytes()}), flush=True)


def peak_memory_bytes() -> int:
    """The highest resident memory of this process so far."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def compare(wanted_bytes: int, repeats: int) -> int:
    """All variants in turn, ``repeats`` times; the exit code."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        folder = Path(name)
        rows = write_documents(folder / f"{DAY}.jsonl", wanted_bytes)
        size_bytes = (folder / f"{DAY}.jsonl").stat().st_size
        print(json.dumps({"file_bytes": size_bytes, "rows": rows, "threads": pa.cpu_count()}), flush=True)
        runs: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
        for _ in range(repeats):
            for variant in VARIANTS:
                command = [sys.executable, __file__, "--variant", variant, "--folder", name]
                line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                print(line, end="", flush=True)
                runs[variant].append(json.loads(line))
    seconds = {variant: statistics.median(run["seconds"] for run in found) for variant, found in runs.items()}
    cpu_seconds = {variant: min(run["cpu_seconds"] for run in found) for variant, found in runs.items()}
    summary: dict[str, Any] = {
        "median_seconds": seconds,
        "least_cpu_seconds": cpu_seconds,
        "megabytes_per_second": {variant: round(size_bytes / 1e6 / value) for variant, value in seconds.items()},
        "ratio": round(seconds["bare"] / seconds["ingest"], 3),
        "ratio_with_deduplication": round(seconds["bare"] / seconds["ingest with de-duplication"], 3),
        "peak_memory_bytes": max(
            run["peak_memory_bytes"] for variant, found in runs.items() if variant != "bare" for run in found
        ),
        "bars": BARS,
    }
    print(json.dumps(summary), flush=True)
    kept = all(summary[name] >= BARS[name] for name in ("ratio", "ratio_with_deduplication"))
    return 0 if kept and summary["peak_memory_bytes"] <= BARS["peak_memory_bytes"] else 1


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2_000_000_000, help="of the JSON Lines file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--variant", choices=VARIANTS, help="measure only this one, in this process")
    parser.add_argument("--folder", type=Path, help="of the file, with --variant")
    given = parser.parse_args()
    if not given.variant:
        return compare(given.bytes, given.repeats)
    run_one(given.variant, given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
