"""Ingest in a store, and reading back for training, against plain transfers by the store's own client library.

    PYTHONPATH=plugins:images/data:images/train .venvs/data/bin/python tests/bench/stores.py [--bytes 600000000]

In the S3 of AWS_ENDPOINT_URL (botocore) and the HDFS of HDFS_URL (hdfs-native); a store that is not named is left out,
with the reason. Every run is a fresh process, imports are not timed, and the variants take turns:

copy        the day's file read from the store and written to it again, in pieces of 8 MiB, the next one read meanwhile
ingest      what the step does: the same file checked, de-duplicated, dealt and staged, from and to the same store
local       the same from and to local files, which says what the processors allow
read plain  the bytes of the table's files
read rows   what training does with them: one split's rows as record batches, with their keys' hashes

The store is the limit of ingest where the copy takes longer than ingest of local files. Where it does not, the
processors are, and ingest is held against the local one. A store on the same machine takes its share of the same
processors, so the client's processor seconds stand beside each time. Memory is the highest resident at one size and at
a tenth of it.
Prints a JSON line a run and one a store; exits 1 where a bar is missed.
"""

import argparse
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from ingest import DAY, dataset, peak_memory_bytes, write_documents

from millrace.contracts.data import DatasetVersion, StagedPartition
from millrace.step.main import Stop
from millrace.storage import files, hdfs, s3, uploads
from millrace_data.ingest import limit_parsing_memory
from millrace_data.partition import stage_partition
from millrace_data.table import DatasetTable
from millrace_train.rows import Selection, read_rows

BARS = {"ingest": 0.7, "read": 0.8, "memory_growth": 1.2}
PIECE_BYTES = 8 << 20
STORES = {"s3": "AWS_ENDPOINT_URL", "hdfs": "HDFS_URL"}


def pieces(uri: str) -> Iterator[bytes]:
    """A file's bytes, in order, as the client library gives them."""
    if uri.startswith("s3://"):
        bucket, key = s3.bucket_and_key(uri)
        reader: Any = uploads.client(uri).get_object(Bucket=bucket, Key=key)["Body"]
    else:
        reader = hdfs.file_system(uri).handler.fs.client.read(hdfs.path_of(uri))
    with contextlib.closing(reader):
        while piece := reader.read(PIECE_BYTES):
            yield piece


def ahead(given: Iterator[bytes]) -> Iterator[bytes]:
    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(next, given, b"")
        while piece := waiting.result():
            waiting = reader.submit(next, given, b"")
            yield piece


def copy(root: str) -> int:
    target, read = f"{root}/copied", ahead(pieces(f"{root}/{DAY}.jsonl"))
    if root.startswith("hdfs://"):
        client = hdfs.file_system(root).handler.fs.client
        client.delete(hdfs.path_of(target))
        with client.create(hdfs.path_of(target)) as writer:
            return sum(writer.write(piece) for piece in read)
    client, at = uploads.client(root), dict(zip(("Bucket", "Key"), s3.bucket_and_key(target), strict=True))
    at["UploadId"] = client.create_multipart_upload(**at)["UploadId"]
    parts, size = [], 0
    for number, piece in enumerate(read, 1):
        answer = client.upload_part(**at, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        size += len(piece)
    client.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    return size


def ingest(root: str) -> StagedPartition:
    staged = stage_partition(dataset(root, ("text",)), DAY, f"{root}/out", Stop())
    if staged is None:
        raise FileNotFoundError(root)
    return staged


def table_files(root: str) -> list[str]:
    return DeltaTable(f"{root}/table", storage_options=s3.delta_options(root)).file_uris()


def read_training_rows(root: str) -> int:
    version = DatasetVersion(workload="bench", uri=f"{root}/table", version=1, until=DAY)
    rows = read_rows(Selection(version, "train", "id", 2**32 - 1, 0), ["text", "labels"])
    return sum(batch.nbytes for batch, _ in rows)


VARIANTS: dict[str, Callable[[str], int]] = {
    "copy": copy,
    "ingest": lambda root: ingest(root).source_bytes,
    "local": lambda root: ingest(root).source_bytes,
    "read plain": lambda root: sum(len(piece) for uri in table_files(root) for piece in pieces(uri)),
    "read rows": read_training_rows,
}


def run_one(variant: str, root: str) -> None:
    """Measure one variant in this process and print it."""
    limit_parsing_memory()
    started_seconds, started_cpu_seconds = time.perf_counter(), time.process_time()
    size_bytes = VARIANTS[variant](root)
    seconds, cpu_seconds = time.perf_counter() - started_seconds, time.process_time() - started_cpu_seconds
    found = {"variant": variant, "bytes": size_bytes, "seconds": seconds, "cpu_seconds": cpu_seconds}
    print(json.dumps(found | {"peak_memory_bytes": peak_memory_bytes()}), flush=True)


def measured(variant: str, root: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--variant", variant, "--root", root]
    line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    print(line, end="", flush=True)
    return dict(json.loads(line))


def compare(store: str, root: str, arrivals: dict[str, Path], repeats: int) -> bool:
    """All variants of a store in turn; whether every bar is kept."""
    for size, folder in arrivals.items():
        files.put_file(folder / f"{DAY}.jsonl", f"{root}/{size}/{DAY}.jsonl")
        staged = ingest(f"{root}/{size}")
        DatasetTable(f"{root}/{size}/table", dataset(root, ("text",))).commit(staged)
    runs: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    for _ in range(repeats):
        for variant, found in runs.items():
            found.append(measured(variant, arrivals["whole"].as_uri() if variant == "local" else f"{root}/whole"))
    seconds = {variant: statistics.median(run["seconds"] for run in found) for variant, found in runs.items()}
    peaks = {name: max(run["peak_memory_bytes"] for run in runs[name]) for name in ("ingest", "read rows")}
    tenth = {name: measured(name, f"{root}/tenth")["peak_memory_bytes"] for name in peaks}
    limit = max("copy", "local", key=seconds.__getitem__)
    summary: dict[str, Any] = {
        "store": store,
        "median_seconds": seconds,
        "least_cpu_seconds": {variant: min(run["cpu_seconds"] for run in found) for variant, found in runs.items()},
        "limit": {"copy": "store", "local": "processors"}[limit],
        "ingest": round(seconds[limit] / seconds["ingest"], 2),
        "ingest_against_copy": round(seconds["copy"] / seconds["ingest"], 2),
        "read": round(seconds["read plain"] / seconds["read rows"], 2),
        "peak_memory_bytes": peaks,
        "peak_memory_bytes_of_a_tenth": tenth,
        "memory_growth": round(max(peaks[name] / tenth[name] for name in peaks), 2),
        "bars": BARS,
    }
    print(json.dumps(summary), flush=True)
    kept = all(summary[name] >= BARS[name] for name in ("ingest", "read"))
    return kept and summary["memory_growth"] <= BARS["memory_growth"]


def root_of(store: str) -> str:
    """A folder of its own in a store."""
    name = f"millrace-bench/{secrets.token_hex(6)}"
    if store == "hdfs":
        return f"{os.environ[STORES[store]]}/tmp/{name}"
    uploads.client("s3://millrace-bench").create_bucket(Bucket="millrace-bench")
    return f"s3://{name}"


def compare_all(stores: list[str], wanted_bytes: int, repeats: int) -> int:
    """The exit code."""
    kept = True
    with tempfile.TemporaryDirectory(prefix="millrace-bench-") as name:
        arrivals = {"tenth": Path(name, "tenth"), "whole": Path(name, "whole")}
        for folder, size_bytes in zip(arrivals.values(), (wanted_bytes // 10, wanted_bytes), strict=True):
            folder.mkdir()
            write_documents(folder / f"{DAY}.jsonl", size_bytes)
        for store in stores:
            root = root_of(store)
            try:
                kept &= compare(store, root, arrivals, repeats)
            finally:
                files.delete_folder(root)
    return 0 if kept else 1


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=600_000_000, help="of the JSON Lines file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--variant", choices=VARIANTS, help="measure only this one, in this process")
    parser.add_argument("--root", help="of the data, with --variant")
    given = parser.parse_args()
    if given.variant:
        run_one(given.variant, given.root)
        return 0
    for store in given.stores:
        if not os.environ.get(STORES[store]):
            print(json.dumps({"store": store, "skipped": f"{STORES[store]} names no store to measure"}), flush=True)
    named = [store for store in given.stores if os.environ.get(STORES[store])]
    return compare_all(named, given.bytes, given.repeats) if named else 0


if __name__ == "__main__":
    sys.exit(main())
