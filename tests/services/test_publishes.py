"""Eight writers publish partitions of one table at random; run in the data image's environment."""

import json
import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyarrow import fs

from millrace.contracts.data import Column, Dataset, Source, Split, StagedPartition, Target
from millrace.storage import files, s3

pytest.importorskip("millrace_data")

WRITERS = 8
DAYS = [date(2026, 1, 1) + timedelta(days=index) for index in range(12)]
DATASET = Dataset(
    source=Source(uri_template="file:///arrivals/{partition}.csv", format="csv"),
    columns=(Column(name="id", type="int64"), Column(name="x", type="float64"), Column(name="label", type="string")),
    features=("x",),
    target=Target(column="label", kind="single_label", labels=("a", "b")),
    split=Split(key="id"),
)
_WRITE = """
import json, random, sys
from millrace.contracts.data import Dataset, StagedPartition
from millrace.contracts.errors import TransientError
from millrace_data.table import DatasetTable
uri, dataset, staged, seed, count = sys.argv[1:]
choices = [StagedPartition.model_validate(each) for each in json.loads(open(staged).read())]
chance = random.Random(int(seed))
table = DatasetTable(uri, Dataset.model_validate_json(dataset))
made = same = again = 0
for _ in range(int(count)):
    part = chance.choice(choices)
    for attempt in range(5):
        try:
            changed = table.commit(part)
            break
        except TransientError:  # as a task is retried
            again += 1
    else:
        sys.exit(f"{part.partition}: five tries lost every race")
    made, same = made + changed, same + (not changed)
print(json.dumps([made, same, again]))
"""


def stage(folder: Path) -> list[StagedPartition]:
    """Three contents for each day; how many rows tells them apart."""
    staged = []
    for day in DAYS:
        for version in range(3):
            rows = 5 + version
            path = folder / f"{day}-{version}.parquet"
            table = pa.table(
                {
                    "id": pa.array(range(rows), pa.int64()),
                    "x": [float(version)] * rows,
                    "label": ["a"] * rows,
                    "split_": ["train"] * rows,
                    "partition_": pa.array([day] * rows, pa.date32()),
                }
            )
            pq.write_table(table, path)
            staged.append(
                StagedPartition(
                    partition=day,
                    source_uri=f"file:///arrivals/{day}.csv",
                    source_bytes=path.stat().st_size,
                    file_uri=path.as_uri(),
                    rows=rows,
                    duplicates=0,
                    content_sha256=f"{day.toordinal():062x}{version:02x}",
                )
            )
    return staged


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("store", "publishes"), [("file", 1000), ("s3", 200), ("hdfs", 200)])
def test_no_publish_is_lost_or_twice_and_no_file_is_left_over(
    store: str, publishes: int, request: pytest.FixtureRequest, tmp_path: Path, repository: Path
) -> None:
    root = (tmp_path / "store").as_uri() if store == "file" else str(request.getfixturevalue(f"{store}_uri"))
    uri = f"{root}/table"
    staged = stage(tmp_path)
    described = tmp_path / "staged.json"
    described.write_text(json.dumps([part.model_dump(mode="json") for part in staged]))
    environment = {**os.environ, "PYTHONPATH": f"{repository}/plugins:{repository}/images/data"}
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITE, uri, DATASET.model_dump_json(), str(described), str(seed + index),
             str(publishes // WRITERS)],
            env=environment, stdout=subprocess.PIPE, text=True,
        )
        for index in range(WRITERS)
    ]  # fmt: skip
    said = [writer.communicate(timeout=800)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    counts = [json.loads(each) for each in said]
    made, same, again = (sum(each) for each in zip(*counts, strict=True))
    assert made + same == publishes
    print(f"{store}: {made} versions, {same} found their content there, {again} retried after ten lost races")

    options = s3.delta_options(uri)
    table = DeltaTable(uri, storage_options=options)
    assert table.version() == made, "a publish that changed the table is one version of it"
    rows = {part.content_sha256: part.rows for part in staged}
    actions = pa.table(table.get_add_actions(flatten=True))
    held = dict(
        zip(actions["partition.partition_"].to_pylist(), actions["partition.content_"].to_pylist(), strict=True)
    )
    assert len(held) == actions.num_rows == len(DAYS), "each partition is there once"
    found = table.to_pyarrow_table(columns=["partition_"]).group_by("partition_").aggregate([("partition_", "count")])
    by_day = {each["partition_"]: each["partition__count"] for each in found.to_pylist()}
    assert by_day == {day: rows[content] for day, content in held.items()}

    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    system, path = files.locate(uri)
    listed = system.get_file_info(fs.FileSelector(path, recursive=True))
    left = [each.path for each in listed if each.path.endswith(".parquet") and "_delta_log" not in each.path]
    assert len(left) == len(table.file_uris()), "no file is there that no version names"
