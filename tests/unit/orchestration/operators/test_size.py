"""A run that would train without a row of a label ends before anything is priced; one that only brings data goes on."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.sdk.exceptions import AirflowFailException

from millrace import settings
from millrace.contracts.data import DatasetVersion, Profile
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators.size import SizeOperator
from millrace.runs.outcome import run_outcome

DAY = datetime(2026, 3, 2, tzinfo=UTC)


class Harness:
    """The task ``size`` of runs whose data has these training rows of each label."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.counts: dict[str, int] = {}

    def size(self, workload: Workload, run_id: str, kind: str = "manual", **params: Any) -> None:
        given = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, **params}
        run = {"dag_id": "flowers", "run_id": run_id, "run_type": SimpleNamespace(value=kind)}
        ti = SimpleNamespace(id=UUID(int=1), try_number=1, map_index=-1, get_dr_count=lambda **_: 0)
        context: Any = {
            "dag_run": SimpleNamespace(**run, data_interval_start=DAY, run_after=DAY), "params": given, "ti": ti,
        }  # fmt: skip
        SizeOperator(task_id="size", workload=workload).execute(context)

    def profile(self) -> Profile:
        splits = {"train": 80, "test": 10, "validation": 10}
        return Profile(
            rows=100, bytes=1000, rows_by_split=splits, label_counts={"rose": 60, "lily": 40},
            train_label_counts=self.counts,
        )  # fmt: skip


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    made = Harness(tmp_path)
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    dataset = DatasetVersion(workload="flowers", uri="file:///d", version=3, until=date(2026, 3, 1))
    monkeypatch.setattr(Ledger, "latest_dataset", lambda self, workload, *_, **__: dataset)
    monkeypatch.setattr(Ledger, "profile", lambda self, workload, **_: made.profile())
    yield made
    settings.load_settings.cache_clear()


def optional(workload: Workload, *labels: str) -> Workload:
    target = workload.dataset.target.model_copy(update={"optional_labels": labels})
    return workload.model_copy(update={"dataset": workload.dataset.model_copy(update={"target": target})})


def test_a_label_without_a_training_row_ends_the_run_with_its_name_and_what_to_do(
    harness: Harness, workload: Workload
) -> None:
    harness.counts = {"rose": 80}
    with pytest.raises(AirflowFailException, match=r"lily[\s\S]*partitions up to 2026-03-01[\s\S]*optional_labels"):
        harness.size(workload, "r")
    assert harness.ledger.plan("flowers", "r") is None, "the training was priced"
    end = run_outcome({"size": "failed"}, harness.ledger.try_reasons("flowers", "r", 0))
    assert end.state == "failed"
    assert "no training row yet has the labels lily; the data is published" in end.reason


@pytest.mark.parametrize(("counts", "labels"), [({"rose": 80}, ("lily",)), ({"rose": 79, "lily": 1}, ()), ({}, ())])
def test_an_optional_label_a_row_of_each_and_uncounted_data_are_priced(
    harness: Harness, workload: Workload, counts: dict[str, int], labels: tuple[str, ...]
) -> None:
    harness.counts = counts
    harness.size(optional(workload, *labels), "r")
    assert harness.ledger.plan("flowers", "r") is not None


@pytest.mark.parametrize("params", [{"train": "never"}, {"dry_run": True}])
def test_a_run_that_trains_nothing_is_not_refused(harness: Harness, workload: Workload, params: dict[str, Any]) -> None:
    harness.counts = {"rose": 80}
    harness.size(workload, "r", **params)
    assert harness.ledger.plan("flowers", "r") is not None


def test_an_older_day_of_a_backfill_only_brings_its_data(
    harness: Harness, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.counts = {"rose": 80}
    monkeypatch.setattr(Ledger, "settled_partitions", lambda self, *_, **__: {date(2026, 3, 3): "committed"})
    harness.size(workload, "older", "backfill")
    monkeypatch.setattr(Ledger, "settled_partitions", lambda self, *_, **__: {})
    with pytest.raises(AirflowFailException, match="lily"):
        harness.size(workload, "newest", "backfill")
