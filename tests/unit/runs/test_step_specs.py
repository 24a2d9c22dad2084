"""What validation is asked to do, from what the parts of ingest reported."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.contracts.data import DatasetVersion, Profile, StagedPartition, Window
from millrace.contracts.errors import TransientError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.model import ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.report import IngestResult, Report, Result, ValidateResult
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.runs import step_specs
from millrace.runs.run import Run

DAYS = Window(first=date(2026, 1, 2), last=date(2026, 1, 4)).days
GIB = 1 << 30


def staged(day: date, attempt: str = "try-1") -> StagedPartition:
    return StagedPartition(
        partition=day, file_uri=f"file:///{attempt}/{day}.parquet", rows=1, duplicates=0,
        source_uri="file:///x", source_bytes=GIB, content_sha256="0" * 64,
    )  # fmt: skip


class Harness:
    """A run over three days, and reports of its steps."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.run = Run(
            workload=workload, parameters=Parameters(epochs=1, batch_size=8, learning_rate=0.1),
            window=Window(first=DAYS[0], last=DAYS[-1]), dag_id="flowers", run_id="r", run_type="manual",
            repeat=0, store="file:///store", spark_from_bytes=3 * GIB,
        )  # fmt: skip
        self.open("r", DAYS[0], DAYS[-1])
        self._minute = 0

    def open(self, run_id: str, first: date, last: date) -> None:
        self.ledger.open_run(
            "flowers", run_id, workload="flowers", team="t", site="s",
            partition_first=first, partition_last=last, run_type="manual",
        )  # fmt: skip

    def told(self, task: str, result: Result, index: int = -1, number: int = 1, run_id: str = "r") -> None:
        self._minute += 1
        meter = MeterReading(
            started_at=datetime(2026, 1, 9, 1, self._minute, tzinfo=UTC), wall_seconds=1, cpu_seconds=1
        )
        key = self.run.key(task, number, index).model_copy(update={"run_id": run_id})
        nothing = isinstance(result, IngestResult) and not result.staged
        report = Report(outcome="skipped" if nothing else "ok", reason="x", meter=meter, result=result)
        self.ledger.commit_report(key, report, "uid")

    def publish(self, day: date, size_bytes: int) -> None:
        self.open("earlier", day, day)
        profile = Profile(rows=1, bytes=size_bytes, rows_by_split={}, label_counts={})
        result = ValidateResult(
            dataset_uri="file:///table", version=7, published=(staged(day),), outcomes=(),
            profiles={f"{day}": profile},
        )  # fmt: skip
        self.told("validate", result, run_id="earlier")


@pytest.fixture
def harness(workload: Workload, tmp_path: Path) -> Harness:
    return Harness(workload, tmp_path)


def overall(harness: Harness) -> None:
    dataset = harness.run.workload.dataset.model_copy(update={"deduplicate": "dataset", "unique_by": ("id",)})
    object.__setattr__(harness.run, "workload", harness.run.workload.model_copy(update={"dataset": dataset}))


def test_every_day_is_told_by_the_newest_report_that_has_it(harness: Harness) -> None:
    first, second, third = DAYS
    harness.told("ingest", IngestResult(staged=(staged(first), staged(second))), 0)
    with pytest.raises(TransientError, match="the report of ingest is not in the ledger"):
        step_specs.validate(harness.run, harness.ledger)
    harness.told("ingest", IngestResult(staged=(), absent=(f"{third}",)), 1)
    assert step_specs.validate(harness.run, harness.ledger).staged == (staged(first), staged(second))
    # divided anew, and the file of the third day has come
    harness.told("ingest", IngestResult(staged=(staged(first, "try-2"),)), 0, 2)
    harness.told("ingest", IngestResult(staged=(staged(second, "try-2"), staged(third, "try-2"))), 1, 2)
    found = step_specs.validate(harness.run, harness.ledger).staged
    assert found == tuple(staged(day, "try-2") for day in DAYS)


def test_an_ordinary_workload_compares_with_nothing(harness: Harness) -> None:
    harness.told("ingest", IngestResult(staged=tuple(map(staged, DAYS))), 0)
    harness.publish(date(2026, 1, 1), GIB)
    task = step_specs.validate(harness.run, harness.ledger)
    assert (task.published, task.engine) == (None, "arrow")


@pytest.mark.parametrize(("published_bytes", "engine"), [(GIB // 2, "arrow"), (GIB, "spark")])
def test_the_size_of_all_the_data_says_whether_it_takes_spark(
    harness: Harness, published_bytes: int, engine: str
) -> None:
    overall(harness)
    first, second, third = DAYS
    harness.told("ingest", IngestResult(staged=(staged(first), staged(second)), absent=(f"{third}",)), 0)
    harness.publish(date(2026, 1, 1), published_bytes)
    task = step_specs.validate(harness.run, harness.ledger)
    assert task.engine == engine
    assert task.published is not None
    assert (task.published.version, task.published.uri) == (7, "file:///table")


def test_a_generation_has_a_table_that_lies_in_no_other_one(workload: Workload, tmp_path: Path) -> None:
    harness = Harness(workload, tmp_path)
    first = harness.run.dataset_uri
    dataset = workload.dataset.model_copy(update={"generation": 2})
    second = replace(harness.run, workload=workload.model_copy(update={"dataset": dataset})).dataset_uri
    assert first == "file:///store/datasets/flowers"
    assert second != first
    assert not second.startswith(f"{first}/")


def test_another_generation_is_no_measure(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for the shares of labels, nor for quality on rows whose columns its version may not know."""
    harness = Harness(workload, tmp_path)
    harness.publish(DAYS[0], GIB)
    model = ModelVersion(workload="flowers", version="old", uri="file:///m", manifest_sha256="0" * 64)
    for generation, measured in ((1, True), (2, False)):
        dataset = DatasetVersion(workload="flowers", uri="file:///d", version=1, until=DAYS[0], generation=generation)
        live: Any = SimpleNamespace(model=model, dataset=dataset)
        planned = SimpleNamespace(dataset=dataset.model_copy(update={"generation": 1}))
        monkeypatch.setattr(type(harness.ledger), "live_model", lambda *_, live=live: live)
        monkeypatch.setattr(step_specs, "planned", lambda *_, planned=planned: planned)
        assert (step_specs._live_profile(harness.run, harness.ledger) is not None) == measured
        assert step_specs.is_comparable(harness.run, harness.ledger, live) == measured
