"""Tiny datasets, specs and arrivals for the data image's tests."""

import gzip
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, StagedPartition, Target
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import RunSpec, Task, TryKey
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.step.main import Stop
from millrace.storage import files
from millrace_data.ingest import stage_partition

DAY = date(2026, 1, 1)
ENDINGS = {"jsonl": "jsonl", "csv": "csv", "tsv": "tsv", "parquet": "parquet"}


@pytest.fixture
def day() -> date:
    return DAY


@pytest.fixture
def text_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """id, text, labels, split: a small multi-label dataset; keyword arguments replace its fields."""

    def make(source_format: Any = "jsonl", ending: str = "", **changes: Any) -> Dataset:
        fields: dict[str, Any] = {
            "source": Source(
                uri_template=f"{tmp_path.as_uri()}/arrivals/{{partition}}.{ENDINGS[source_format]}{ending}",
                format=source_format,
                quiet_seconds=0,
            ),
            "columns": (
                Column(name="id", type="string", min_length=1),
                Column(name="text", type="string", min_length=1, max_length=2000),
                Column(name="labels", type="list<string>"),
                Column(name="split", type="string"),
            ),
            "features": ("text",),
            "target": Target(column="labels", kind="multi_label", labels=("a", "b", "c")),
            "split": Split(key="id", column="split", validation_fraction=0.3),
            "unique_by": ("text",),
        }
        return Dataset(**(fields | changes))

    return make


@pytest.fixture
def number_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """id, width, count, known, species: a small single-label dataset of numbers."""

    def make(source_format: Any = "jsonl", ending: str = "", **changes: Any) -> Dataset:
        fields: dict[str, Any] = {
            "source": Source(
                uri_template=f"{tmp_path.as_uri()}/arrivals/{{partition}}.{ENDINGS[source_format]}{ending}",
                format=source_format,
                quiet_seconds=0,
            ),
            "columns": (
                Column(name="id", type="int64"),
                Column(name="width", type="float64", minimum=0, maximum=10),
                Column(name="count", type="int64", nullable=True),
                Column(name="known", type="bool"),
                Column(name="species", type="string"),
            ),
            "features": ("width", "count"),
            "target": Target(column="species", kind="single_label", labels=("x", "y")),
            "split": Split(key="id", validation_fraction=0.2, test_fraction=0.3),
        }
        return Dataset(**(fields | changes))

    return make


def text_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "id": f"doc-{number}",
        "text": f"message {number} says something",
        "labels": ["abc"[number % 3], "abc"[(number + 1) % 3]],
        "split": "test" if number % 5 == 0 else "train",
    }
    return row | changes


def number_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {"id": number, "width": number / 8, "count": number, "known": number % 2 == 0, "species": "xy"[number % 2]}
    return row | changes


@pytest.fixture
def text_rows() -> Callable[[int], list[dict[str, Any]]]:
    return lambda count: [text_row(number) for number in range(count)]


@pytest.fixture
def number_rows() -> Callable[[int], list[dict[str, Any]]]:
    return lambda count: [number_row(number) for number in range(count)]


def _encode(rows: list[dict[str, Any]], dataset: Dataset) -> bytes:
    names = [column.name for column in dataset.columns]
    if dataset.source.format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    separator = "," if dataset.source.format == "csv" else "\t"
    lines = [names, *([_cell(row[name]) for name in names] for row in rows)]
    return "".join(separator.join(line) + "\n" for line in lines).encode()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.fixture
def arrive() -> Callable[..., Path]:
    """Write a day's file of arrivals, from rows or raw bytes, as the dataset's source says."""

    def write(dataset: Dataset, content: list[dict[str, Any]] | bytes, on: date = DAY) -> Path:
        uri = dataset.source.uri_template.replace("{partition}", on.isoformat())
        path = files.local_path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        if dataset.source.format == "parquet" and not isinstance(content, bytes):
            pq.write_table(pa.Table.from_pylist(content), path)
            return path
        data = content if isinstance(content, bytes) else _encode(content, dataset)
        if uri.endswith(".gz"):
            data = gzip.compress(data)
        elif uri.endswith(".zst"):
            data = pa.Codec("zstd").compress(data, asbytes=True)
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def out_uri(tmp_path: Path) -> str:
    return (tmp_path / "attempt" / "out").as_uri()


@pytest.fixture
def stage(out_uri: str) -> Callable[..., StagedPartition]:
    """Stage one day of a dataset."""

    def run(dataset: Dataset, on: date = DAY, stop: Stop | None = None) -> StagedPartition:
        # a file that a test wrote right before is waited for otherwise
        assert "quiet_seconds" in dataset.source.model_fields_set, "give the data set's source quiet_seconds=0"
        staged = stage_partition(dataset, on, out_uri, stop or Stop())
        assert staged is not None
        return staged

    return run


@pytest.fixture
def rows_of() -> Callable[[StagedPartition], list[dict[str, Any]]]:
    """The rows of a staged file."""
    return lambda staged: pq.read_table(files.local_path(staged.file_uri)).to_pylist()


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., RunSpec]:
    """A RunSpec of a task on a dataset."""

    def make(dataset: Dataset, task: Task, attempt: str = "attempt") -> RunSpec:
        return RunSpec(
            key=TryKey(dag_id="d", run_id="r", repeat=0, task_id=task.kind, try_number=1),
            workload=Workload(
                name="tiny",
                description="for tests",
                owner="tests",
                team="tests",
                start=DAY,
                dataset=dataset,
                training=Training(trainer="mlp_classifier"),
                gate=GatePolicy(quality_floor=0.1),
            ),
            parameters=Parameters(epochs=1, batch_size=8, learning_rate=0.01),
            hardware=Hardware(
                name="h",
                cores=2,
                gflops_per_core=10,
                idle_watts_per_core=2,
                active_watts_per_core=5,
                memory_bytes=2**33,
            ),
            attempt_uri=(tmp_path / attempt).as_uri(),
            state_uri=(tmp_path / "state").as_uri(),
            task=task,
        )

    return make


@pytest.fixture
def days() -> Callable[[int], list[date]]:
    return lambda count: [DAY + timedelta(days=number) for number in range(count)]
