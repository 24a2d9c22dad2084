"""Ingest against bare pyarrow (`open_json` or `open_csv` -> `ParquetWriter`), of JSON Lines and of CSV.

File, columns, compression, block size and threads are the same.

PYTHONPATH=plugins:images/data .venvs/data/bin/python tests/bench/ingest.py [--bytes 2000000000] [--repeats 5]

Prints one JSON line a run and one at the end: medians, ratios of throughput (bare seconds / our seconds) and the
peak resident memory of our runs, beside the bars that the project set itself; exits 1 where one is missed. Every run is
a fresh process; imports are not timed.
"""

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from millrace.contracts.data import Column, Dataset, Source, Split, Target
from millrace.step.main import Stop
from millrace_data.chunks import CHUNK_BYTES
from millrace_data.ingest import limit_parsing_memory, stage_partition
from millrace_data.schema import source_schema
from millrace_data.staging import COMPRESSION_LEVEL

DAY = date(2026, 1, 1)
BARS = {"ratio": 0.9, "ratio_with_deduplication": 0.85, "peak_memory_bytes": 512 * 2**20}
LABELS = tuple(f"label{number:02}" for number in range(33))
DUPLICATES_PER_ROW = 0.02
FORMATS = ("jsonl", "csv")


def dataset(folder_uri: str, unique_by: tuple[str, ...], source_format: Literal["jsonl", "csv"] = "jsonl") -> Dataset:
    """Messages with several labels each, as in the demonstration; in CSV, which has no lists, with one."""
    several = source_format == "jsonl"
    return Dataset(
        source=Source(
            uri_template=f"{folder_uri}/{{partition}}.{source_format}", format=source_format, quiet_seconds=0
        ),
        columns=(
            Column(name="id", type="string", min_length=1, max_length=64),
            Column(name="text", type="string", min_length=1, max_length=1_000_000),
            Column(name="labels", type="list<string>" if several else "string", min_length=1),
            Column(name="split", type="string"),
        ),
        features=("text",),
        target=Target(column="labels", kind="multi_label" if several else "single_label", labels=LABELS),
        split=Split(key="id", column="split"),
        unique_by=unique_by,
    )


def documents(wanted_bytes: int) -> Iterator[dict[str, Any]]:
    """About 1.2 KB of words a row, frequent and rare ones as in a language; a line end and a quote in some."""
    draw = random.Random(11)
    words = ["".join(draw.choices("etaoinshrdlucmfwypvbgk", k=draw.randint(2, 10))) for _ in range(30_000)]
    pool = draw.choices(words, weights=[1 / (rank + 1) ** 0.9 for rank in range(len(words))], k=2_000_000)
    rows, written, text = 0, 0, ""
    while written < wanted_bytes:
        if not text or draw.random() > DUPLICATES_PER_ROW:
            length = draw.randint(60, 300)
            start = draw.randrange(len(pool) - length)
            text = " ".join(pool[start : start + length])
            if rows % 10 == 0:
                text = text.replace(" ", '\n"', 1).replace(" ", '" ', 1)
        labels = draw.sample(LABELS, draw.randint(2, 5))
        split = "test" if rows % 5 == 0 else "train"
        yield {"id": f"message-{rows:09}", "text": text, "labels": labels, "split": split}
        written += len(text) + 90
        rows += 1


def write_documents(path: Path, wanted_bytes: int) -> int:
    """About as many bytes of JSON Lines or of CSV, as the path's ending says; returns the rows."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if path.suffix == ".csv":
            writer.writerow(["id", "text", "labels", "split"])
        for row in documents(wanted_bytes):
            if path.suffix == ".csv":
                writer.writerow([row["id"], row["text"], row["labels"][0], row["split"]])
            else:
                file.write(json.dumps(row) + "\n")
            rows += 1
    return rows


def bare(folder: Path, source_format: str) -> int:
    """The shortest way from a text file to Parquet that pyarrow has."""
    schema = source_schema(dataset(folder.as_uri(), ()))
    reader = (
        pajson.open_json(
            folder / f"{DAY}.jsonl",
            read_options=pajson.ReadOptions(block_size=CHUNK_BYTES),
            parse_options=pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
        if source_format == "jsonl"
        else pacsv.open_csv(
            folder / f"{DAY}.csv",
            read_options=pacsv.ReadOptions(block_size=CHUNK_BYTES),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
        )
    )
    rows = 0
    with pq.ParquetWriter(
        folder / "bare.parquet", reader.schema, compression="zstd", compression_level=COMPRESSION_LEVEL
    ) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def ours(folder: Path, source_format: Literal["jsonl", "csv"], unique_by: tuple[str, ...]) -> int:
    """What the step ingest does for one partition."""
    declared = dataset(folder.as_uri(), unique_by, source_format)
    staged = stage_partition(declared, DAY, (folder / "out").as_uri(), Stop())
    if staged is None:
        raise FileNotFoundError(folder)
    return staged.rows + staged.duplicates


WAYS: dict[str, Callable[[Path, Any], int]] = {
    "bare": bare,
    "ingest": lambda folder, source_format: ours(folder, source_format, ()),
    "ingest with de-duplication": lambda folder, source_format: ours(folder, source_format, ("text",)),
}


def run_one(source_format: str, way: str, folder: Path) -> None:
    """Measure one way of reading in this process and print it."""
    limit_parsing_memory()
    started_seconds, started_cpu_seconds = time.perf_counter(), time.process_time()
    rows = WAYS[way](folder, source_format)
    seconds, cpu_seconds = time.perf_counter() - started_seconds, time.process_time() - started_cpu_seconds
    found = {"format": source_format, "way": way, "rows": rows, "seconds": seconds, "cpu_seconds": cpu_seconds}
    print(json.dumps(found | {"peak_memory_bytes": peak_memory_bytes()}), flush=True)


def peak_memory_bytes() -> int:
    """The highest resident memory of this process so far."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def compare(wanted_bytes: int, repeats: int) -> int:
    """All ways in turn, ``repeats`` times; the exit code."""
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        paths = {each: Path(name) / f"{DAY}.{each}" for each in FORMATS}
        for path in paths.values():
            write_documents(path, wanted_bytes)
        sizes = {each: path.stat().st_size for each, path in paths.items()}
        print(json.dumps({"file_bytes": sizes, "threads": pa.cpu_count()}), flush=True)
        runs: dict[str, dict[str, list[dict[str, float]]]] = {each: {way: [] for way in WAYS} for each in FORMATS}
        for _ in range(repeats):
            for source_format in FORMATS:
                for way in WAYS:
                    command = [sys.executable, __file__, "--format", source_format, "--way", way, "--folder", name]
                    line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                    print(line, end="", flush=True)
                    runs[source_format][way].append(json.loads(line))
    summaries = {each: summary(runs[each], sizes[each]) for each in FORMATS}
    print(json.dumps({**summaries, "bars": BARS}), flush=True)
    return 0 if all(is_kept(found) for found in summaries.values()) else 1


def summary(runs: dict[str, list[dict[str, float]]], size_bytes: int) -> dict[str, Any]:
    """Medians and ratios of one format."""
    seconds = {way: statistics.median(run["seconds"] for run in found) for way, found in runs.items()}
    return {
        "median_seconds": seconds,
        "least_cpu_seconds": {way: min(run["cpu_seconds"] for run in found) for way, found in runs.items()},
        "megabytes_per_second": {way: round(size_bytes / 1e6 / value) for way, value in seconds.items()},
        "ratio": round(seconds["bare"] / seconds["ingest"], 3),
        "ratio_with_deduplication": round(seconds["bare"] / seconds["ingest with de-duplication"], 3),
        "peak_memory_bytes": max(
            run["peak_memory_bytes"] for way, found in runs.items() if way != "bare" for run in found
        ),
    }


def is_kept(found: dict[str, Any]) -> bool:
    """Whether a format keeps every bar."""
    fast = all(found[name] >= BARS[name] for name in ("ratio", "ratio_with_deduplication"))
    return fast and found["peak_memory_bytes"] <= BARS["peak_memory_bytes"]


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2_000_000_000, help="of each file, about")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help="measure only this one, in this process")
    parser.add_argument("--format", choices=FORMATS, help="of the file, with --way")
    parser.add_argument("--folder", type=Path, help="of the file, with --way")
    given = parser.parse_args()
    if not given.way:
        return compare(given.bytes, given.repeats)
    run_one(given.format, given.way, given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
