import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from millrace.contracts.data import Column, Dataset, StagedPartition
from millrace.contracts.errors import BadInputError, TransientError
from millrace.storage import files, s3
from millrace_data.ingest import stage_partition
from millrace_data.measure import parquet_batches
from millrace_data.table import DatasetTable

MakeDataset = Callable[..., Dataset]
MakeRows = Callable[[int], list[dict[str, Any]]]
Arrive = Callable[..., Path]
Stage = Callable[..., StagedPartition]
Days = Callable[[int], list[date]]

_COMMIT = """
import sys, time
from millrace.contracts.data import Column, Dataset, StagedPartition
from millrace_data.table import DatasetTable
uri, dataset, staged, at = sys.argv[1:]
table = DatasetTable(uri, Dataset.model_validate_json(dataset))
time.sleep(max(0, float(at) - time.time()))
print(table.commit(StagedPartition.model_validate_json(staged)))
"""


def _race(uri: str, dataset: Dataset, staged: list[StagedPartition]) -> list[str]:
    """Each partition committed by a process of its own, all at one moment."""
    at = str(time.time() + 3)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _COMMIT, uri, dataset.model_dump_json(), part.model_dump_json(), at],
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in staged
    ]
    said = [racer.communicate(timeout=120)[0].strip() for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * len(racers)
    return said


def _delta(uri: str) -> DeltaTable:
    return DeltaTable(uri, storage_options=s3.delta_options(uri))


def _rows_by_day(uri: str) -> dict[date, int]:
    found = _delta(uri).to_pyarrow_dataset().to_table(columns=["partition_"])
    return {entry["values"]: entry["counts"] for entry in pc.value_counts(found["partition_"]).to_pylist()}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return (tmp_path / "table").as_uri()


@pytest.fixture
def any_uri(root: str) -> str:
    return f"{root}/table"


def test_two_processes_commit_two_partitions_at_once(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, days: Days, any_uri: str
) -> None:
    dataset = text_dataset()
    staged = []
    for number, day in enumerate(days(3)):
        arrive(dataset, text_rows(10 + number), on=day)
        staged.append(stage(dataset, on=day))
    assert _race(any_uri, dataset, staged) == ["True"] * 3
    assert _rows_by_day(any_uri) == {day: 10 + number for number, day in enumerate(days(3))}


def test_two_processes_commit_one_partition_once(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, day: date, any_uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    staged = stage(dataset)
    assert sorted(_race(any_uri, dataset, [staged] * 3)) == ["False", "False", "True"]
    assert _rows_by_day(any_uri) == {day: 10}
    assert _delta(any_uri).version() == 1


def test_racing_contents_of_one_partition_leave_one_whole(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, tmp_path: Path, day: date, any_uri: str
) -> None:
    dataset = text_dataset()
    staged = []
    for number in range(3):
        arrive(dataset, text_rows(10 + number))
        staged.append(_stage_into(dataset, day, tmp_path / f"out{number}"))
    _race(any_uri, dataset, staged)
    (held,) = DatasetTable(any_uri, dataset).contents().values()
    (winner,) = [part for part in staged if part.content_sha256 == held]
    assert _rows_by_day(any_uri) == {day: winner.rows}


def _stage_into(dataset: Dataset, day: date, folder: Path) -> StagedPartition:
    from millrace.step.main import Stop

    staged = stage_partition(dataset, day, folder.as_uri(), Stop())
    assert staged is not None
    return staged


def test_content_is_known_after_checkpoints_and_vacuum(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, day: date, uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    staged = stage(dataset)
    table = DatasetTable(uri, dataset)
    assert table.commit(staged)
    delta = DeltaTable(uri)
    delta.create_checkpoint()
    for entry in (files.local_path(uri) / "_delta_log").glob("*.json"):
        entry.unlink()
    delta = DeltaTable(uri)
    delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    table.refresh()
    assert table.contents() == {day: staged.content_sha256}
    assert not table.commit(staged)


def test_a_partition_that_was_deleted_is_committed_again(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, day: date, uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    staged = stage(dataset)
    table = DatasetTable(uri, dataset)
    table.commit(staged)
    DeltaTable(uri).delete("partition_ = '2026-01-01'")
    assert table.commit(staged)
    assert _rows_by_day(uri) == {day: 10}


def test_a_commit_that_always_loses_is_transient(
    text_dataset: MakeDataset,
    text_rows: MakeRows,
    arrive: Arrive,
    stage: Stage,
    uri: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from deltalake.exceptions import CommitFailedError

    from millrace_data import table as module

    tries = []

    def lose(*_: object, **__: object) -> None:
        tries.append(1)
        raise CommitFailedError("another one was faster")

    monkeypatch.setattr(module, "write_deltalake", lose)
    monkeypatch.setattr(module, "_MAX_WAIT_SECONDS", 0.01)
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    with pytest.raises(TransientError, match="another one was faster"):
        DatasetTable(uri, dataset).commit(stage(dataset))
    assert len(tries) == 10


def test_a_table_that_is_no_table_of_the_workload_is_refused(
    text_dataset: MakeDataset, number_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    DatasetTable(uri, dataset).commit(stage(dataset))
    with pytest.raises(BadInputError, match="not the workload's"):
        DatasetTable(uri, number_dataset())


def _columns(dataset: Dataset, *names: str, **changes: Column) -> Dataset:
    """The data set with its columns in this order, some of them others."""
    kept = {column.name: column for column in dataset.columns} | changes
    return dataset.model_copy(update={"columns": tuple(kept[name] for name in names)})


def test_the_order_of_columns_does_not_matter(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, days: Days, uri: str
) -> None:
    first, second = days(2)
    dataset = text_dataset()
    turned = _columns(dataset, "split", "labels", "text", "id")
    for it, day in ((dataset, first), (turned, second)):
        arrive(it, [row | {"id": f"{day}-{row['id']}"} for row in text_rows(9)], on=day)
        assert DatasetTable(uri, it).commit(stage(it, on=day))
    held = sorted(_delta(uri).to_pyarrow_table(columns=["id", "text", "labels", "split"]).to_pylist(), key=str)
    expected = [row | {"id": f"{day}-{row['id']}"} for day in days(2) for row in text_rows(9)]
    assert held == sorted(expected, key=str)


def test_a_new_nullable_column_is_added_with_the_next_commit(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, days: Days, uri: str
) -> None:
    first, second = days(2)
    dataset = text_dataset()
    arrive(dataset, text_rows(3), on=first)
    DatasetTable(uri, dataset).commit(stage(dataset, on=first))
    new = {name: Column(name=name, type="int64", nullable=True) for name in ("score", "at")}
    wider = _columns(dataset, "score", "id", "text", "at", "labels", "split", **new)
    arrive(wider, [row | {"score": 7, "at": 8} for row in text_rows(3)], on=second)
    table = DatasetTable(uri, wider)
    before = table.version
    assert table.commit(stage(wider, on=second))
    assert table.version > before
    held = _delta(uri).to_pyarrow_table().to_pylist()
    assert {(row["partition_"], row["score"], row["at"]) for row in held} == {
        (first, None, None),
        (second, 7, 8),
    }
    assert not table.commit(stage(wider, on=second)), "the same content again is a version"
    # and the first day, done again, has it too
    arrive(wider, [row | {"score": None, "at": None} for row in text_rows(3)], on=first)
    assert table.commit(stage(wider, on=first))
    with pytest.raises(BadInputError, match=r"not the workload's: 'score' .*; 'at' .* is not in the workload"):
        DatasetTable(uri, dataset)


CHANGES = [
    ("id text labels", "", "'split' (string) is not in the workload"),
    ("id text labels split more", "more: int64", "'more' is not in the table, and is not nullable"),
    ("id text labels split", "text: binary", "'text' is string, binary in the workload"),
    (
        "id Text labels split",
        "Text: string",
        "'text' (string) is not in the workload; 'Text' is not in the table, and is not nullable",
    ),
]


@pytest.mark.parametrize(("names", "change", "difference"), CHANGES)
def test_another_change_of_columns_is_refused_with_the_difference_alone(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, uri: str,
    names: str, change: str, difference: str,
) -> None:  # fmt: skip
    dataset = text_dataset()
    arrive(dataset, text_rows(3))
    DatasetTable(uri, dataset).commit(stage(dataset))
    name, _, kind = change.partition(": ")
    changes = {name: Column(name=name, type=kind)} if change else {}
    with pytest.raises(BadInputError) as caught:
        DatasetTable(uri, _columns(dataset, *names.split(), **changes))
    assert caught.value.what == f"the table's columns are not the workload's: {difference}"
    assert "Dataset.generation to 2" in caught.value.remedy


def test_two_runs_add_a_column_at_once(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, days: Days, uri: str
) -> None:
    dataset = text_dataset()
    first, *others = days(3)
    arrive(dataset, text_rows(3), on=first)
    DatasetTable(uri, dataset).commit(stage(dataset, on=first))
    more = Column(name="more", type="float32", nullable=True)
    wider = _columns(dataset, "id", "text", "labels", "split", "more", more=more)
    staged = []
    for day in others:
        arrive(wider, [row | {"more": 0.5} for row in text_rows(4)], on=day)
        staged.append(stage(wider, on=day))
    assert _race(uri, wider, staged) == ["True", "True"]
    assert _rows_by_day(uri) == {first: 3, **dict.fromkeys(others, 4)}


def test_what_fails_while_rows_are_read_for_a_commit_is_not_the_tables(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, uri: str
) -> None:
    dataset = text_dataset()
    arrive(dataset, text_rows(10))
    staged = stage(dataset)
    table = DatasetTable(uri, dataset)
    path = files.local_path(staged.file_uri)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadInputError, match="the staged file is missing or damaged"):
        table.commit(staged)


def _commit_slowly(uri: str, dataset: Dataset, staged: StagedPartition, flag: Path) -> None:
    from millrace_data import table as module

    def slow(file_uri: str) -> Iterator[pa.RecordBatch]:
        for batch in parquet_batches(file_uri):
            yield batch
            flag.touch()
            time.sleep(60)

    setattr(module, "parquet_batches", slow)  # noqa: B010 - not exported
    DatasetTable(uri, dataset).commit(staged)


def test_killed_in_the_middle_of_a_commit_leaves_nothing_visible(
    text_dataset: MakeDataset, text_rows: MakeRows, arrive: Arrive, stage: Stage, days: Days, uri: str, tmp_path: Path
) -> None:
    dataset = text_dataset()
    for day in days(2):
        arrive(dataset, text_rows(50), on=day)
    first, second = (stage(dataset, on=day) for day in days(2))
    table = DatasetTable(uri, dataset)
    table.commit(first)
    version = table.version
    flag = tmp_path / "flag"
    process = multiprocessing.get_context("spawn").Process(target=_commit_slowly, args=(uri, dataset, second, flag))
    process.start()
    while not flag.exists():
        time.sleep(0.05)
        assert process.is_alive()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    table.refresh()
    assert table.version == version
    assert _rows_by_day(uri) == {days(1)[0]: 50}
    assert table.commit(second)
    assert _rows_by_day(uri) == dict.fromkeys(days(2), 50)
