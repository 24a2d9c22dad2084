"""A workload and a spec that unit tests can take as they are."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.contracts.data import Column, Dataset, Source, Split, Target, Window
from millrace.contracts.measurement import Hardware
from millrace.contracts.parameters import Parameters
from millrace.contracts.run_spec import IngestTask, RunSpec, TryKey
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.storage import files


@pytest.fixture
def workload() -> Workload:
    return Workload(
        name="flowers",
        description="Which flower it is.",
        owner="tests",
        team="tests",
        start=date(2026, 1, 1),
        dataset=Dataset(
            source=Source(uri_template="{arrivals}/flowers/{partition}.csv", format="csv"),
            columns=(
                Column(name="id", type="int64"),
                Column(name="width", type="float64"),
                Column(name="kind", type="string"),
            ),
            features=("width",),
            target=Target(column="kind", kind="single_label", labels=("rose", "lily")),
            split=Split(key="id"),
        ),
        training=Training(trainer="mlp_classifier"),
        gate=GatePolicy(quality_floor=0.5),
    )


@pytest.fixture
def task_context(workload: Workload) -> Callable[[str], dict[str, Any]]:
    """What Airflow gives the first try of a task, by the task's id, in a run that somebody triggered."""

    def context(task_id: str) -> dict[str, Any]:
        return {
            "dag_run": SimpleNamespace(
                dag_id=workload.name,
                run_id="manual__1",
                run_type=SimpleNamespace(value="manual"),
                data_interval_start=datetime(2026, 1, 1, tzinfo=UTC),
                run_after=datetime(2026, 1, 2, tzinfo=UTC),
            ),
            "params": {"epochs": 1, "batch_size": 8, "learning_rate": 0.01},
            "ti": SimpleNamespace(task_id=task_id, try_number=1, map_index=-1, id="ti"),
        }

    return context


@pytest.fixture
def spec(workload: Workload, tmp_path: Path) -> RunSpec:
    return RunSpec(
        key=TryKey(dag_id="flowers", run_id="manual__1", repeat=0, task_id="ingest", try_number=1),
        workload=workload,
        parameters=Parameters(epochs=1, batch_size=8, learning_rate=0.01),
        hardware=Hardware(
            name="test",
            cores=2,
            gflops_per_core=50,
            idle_watts_per_core=1,
            active_watts_per_core=5,
            memory_bytes=2**30,
        ),
        attempt_uri=files.to_uri(tmp_path / "try-1"),
        state_uri=files.to_uri(tmp_path / "state-0"),
        task=IngestTask(window=Window(first=date(2026, 1, 1), last=date(2026, 1, 1))),
    )
