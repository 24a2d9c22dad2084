"""Ingest in a store, and reading back for training, against plain transfers by the store's own client library.

    PYTHONPATH=plugins:images/data:images/train .venvs/data/bin/python tests/bench/stores.py [--bytes 1200000000]

In the S3 of AWS_ENDPOINT_URL (botocore) and the HDFS of HDFS_URL (hdfs-native); a store that is not named is left out,
with the reason. Every run is a fresh process that did the same on a tenth of the data before; the variants take turns:

copy        the day's file read from the store and written to it again, in pieces of 8 MiB, the next one read meanwhile
ingest      what the step does: the same file checked, de-duplicated, dealt and staged, from and to the same store
fetch       the bytes of the published table's files, in pieces of 8 MiB
read        what training does with them: one split's rows as record batches, with their keys' hashes
local ...   ingest and read from and to local files, beside which copy or fetch runs in the store: both works at once

The limit is what these two take that run side by side, or copy or fetch alone, where that is longer: ingest and read do
both works, and cannot be done before. Memory is the highest resident of as many runs at one size and at a tenth of it;
what grows are the digests of the rows' keys. It asks for a machine with nothing else to do.
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
from millrace_data.ingest import limit_parsing_memory, stage_partition
from millrace_data.table import DatasetTable
from millrace_train.rows import Selection, read_rows

BARS = {"ingest": 0.7, "read": 0.8, "memory_growth": 1.2}
SIZES = {"tenth": 0.1, "whole": 1.0}
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
    target, read_ahead = f"{root}/copied", ahead(pieces(f"{root}/{DAY}.jsonl"))
    if root.startswith("hdfs://"):
        client = hdfs.file_system(root).handler.fs.client
        client.delete(hdfs.path_of(target))
        with client.create(hdfs.path_of(target)) as writer:
            return sum(writer.write(piece) for piece in read_ahead)
    client, at = uploads.client(root), dict(zip(("Bucket", "Key"), s3.bucket_and_key(target), strict=True))
    at["UploadId"] = client.create_multipart_upload(**at)["UploadId"]
    parts, size = [], 0
    for number, piece in enumerate(read_ahead, 1):
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


def publish(root: str) -> None:
    DatasetTable(f"{root}/table", dataset(root, ("text",))).commit(ingest(root))


def fetch(root: str) -> int:
    table = DeltaTable(f"{root}/table", storage_options=s3.delta_options(root))
    return sum(len(piece) for uri in table.file_uris() for piece in pieces(uri))


def read(root: str) -> int:
    version = DatasetVersion(workload="bench", uri=f"{root}/table", version=1, until=DAY)
    rows = read_rows(Selection(version, "train", "id", 2**32 - 1, 0), ["text", "labels"])
    return sum(batch.nbytes for batch, _ in rows)


VARIANTS: dict[str, Callable[[str], object]] = {"copy": copy, "ingest": ingest, "fetch": fetch, "read": read}
PLAIN = {"ingest": "copy", "read": "fetch"}


def run_one(variant: str, roots: list[str]) -> None:
    """Measure one variant at the last place in this process, after the others, when a line comes in, and print it."""
    limit_parsing_memory()
    for root in roots[:-1]:
        VARIANTS[variant](root)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    VARIANTS[variant](roots[-1])
    seconds = time.perf_counter() - started
    found = {"variant": variant, "root": roots[-1], "seconds": seconds, "peak_memory_bytes": peak_memory_bytes()}
    print(json.dumps(found), flush=True)


def measured(*works: tuple[str, list[str]]) -> list[dict[str, Any]]:
    """Each variant in a process of its own, all begun at the same moment."""
    with contextlib.ExitStack() as stack:
        begun = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, __file__, "--variant", variant, "--roots", *roots],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for variant, roots in works
        ]  # fmt: skip
        for each in begun:
            read_line(each)
        for each in begun:
            each.stdin.write("\n")  # type: ignore[union-attr]
            each.stdin.flush()  # type: ignore[union-attr]
        lines = [read_line(each) for each in begun]
    print("".join(lines), end="", flush=True)
    return [json.loads(line) for line in lines]


def read_line(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError(f"{process.args!r} ended before its time: its error is above")
    return line


def compare(store: str, root: str, local: str, repeats: int) -> bool:
    """All variants of a store in turn; whether every bar is kept."""
    for size in SIZES:
        files.put_file(files.local_path(f"{local}/{size}/{DAY}.jsonl"), f"{root}/{size}/{DAY}.jsonl")
        publish(f"{root}/{size}")
    in_store, on_disk = ([f"{each}/{size}" for size in SIZES] for each in (root, local))
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, list[int]] = {}
    for _ in range(repeats):
        for variant in VARIANTS:
            (found,) = measured((variant, in_store))
            seconds.setdefault(variant, []).append(found["seconds"])
            peaks.setdefault(variant, []).append(found["peak_memory_bytes"])
        for variant, plain in PLAIN.items():
            both = measured((variant, on_disk), (plain, in_store))
            seconds.setdefault(f"{plain} beside local {variant}", []).append(max(each["seconds"] for each in both))
            (found,) = measured((variant, in_store[:1]))
            peaks.setdefault(f"{variant} of a tenth", []).append(found["peak_memory_bytes"])
    median = {name: statistics.median(each) for name, each in seconds.items()}
    limits = {name: max(median[plain], median[f"{plain} beside local {name}"]) for name, plain in PLAIN.items()}
    highest = {name: max(each) for name, each in peaks.items()}
    summary: dict[str, Any] = {
        "store": store,
        "median_seconds": {name: round(value, 2) for name, value in median.items()},
        "against_client_library": {name: round(median[plain] / median[name], 2) for name, plain in PLAIN.items()},
        "limit_seconds": {name: round(limit, 2) for name, limit in limits.items()},
        **{name: round(limit / median[name], 2) for name, limit in limits.items()},
        "peak_memory_bytes": highest,
        "memory_growth": round(max(highest[name] / highest[f"{name} of a tenth"] for name in PLAIN), 2),
        "bars": BARS,
    }
    print(json.dumps(summary), flush=True)
    return all(summary[name] >= BARS[name] for name in PLAIN) and summary["memory_growth"] <= BARS["memory_growth"]


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
        for size, share in SIZES.items():
            folder = Path(name, size)
            folder.mkdir()
            write_documents(folder / f"{DAY}.jsonl", round(wanted_bytes * share))
            publish(folder.as_uri())
        for store in stores:
            root = root_of(store)
            try:
                kept &= compare(store, root, Path(name).as_uri(), repeats)
            finally:
                files.delete_folder(root)
    return 0 if kept else 1


def main() -> int:
    """Read the command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_200_000_000, help="of the JSON Lines file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    parser.add_argument("--variant", choices=VARIANTS, help="measure only this one, in this process")
    parser.add_argument("--roots", nargs="+", help="of the data, with --variant")
    given = parser.parse_args()
    if given.variant:
        run_one(given.variant, given.roots)
        return 0
    for store in given.stores:
        if not os.environ.get(STORES[store]):
            print(json.dumps({"store": store, "skipped": f"{STORES[store]} names no store to measure"}), flush=True)
    named = [store for store in given.stores if os.environ.get(STORES[store])]
    return compare_all(named, given.bytes, given.repeats) if named else 0


if __name__ == "__main__":
    sys.exit(main())
