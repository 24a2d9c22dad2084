"""A workload, a spec, a migrated ledger on each database and documents to commit to it, for every package's tests."""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from millrace.contracts.data import (
    Column,
    Dataset,
    DatasetVersion,
    LengthHistogram,
    Profile,
    Source,
    Split,
    StagedPartition,
    Target,
    Window,
)
from millrace.contracts.measurement import Hardware, MeterReading, Quantity
from millrace.contracts.model import ModelVersion
from millrace.contracts.parameters import Parameters
from millrace.contracts.plan import Plan
from millrace.contracts.report import (
    ErrorDetail,
    EvaluateResult,
    ExportResult,
    IngestResult,
    Quality,
    Report,
    Result,
    ServingCost,
    ValidateResult,
)
from millrace.contracts.run_spec import IngestTask, RunSpec, TryKey
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.ledger.ledger import Ledger
from millrace.storage import files

POSTGRES = "MILLRACE_TEST_POSTGRES_URL"
DAY = date(2024, 3, 1)
WORKLOAD = "news"
_moments = count()


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


def context_of(workload: Workload, task_id: str) -> dict[str, Any]:
    """What Airflow gives the first try of a task in a run that somebody triggered."""
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


@pytest.fixture
def task_context(workload: Workload) -> Callable[[str], dict[str, Any]]:
    """``context_of`` the fixture's workload, by the task's id."""
    return partial(context_of, workload)


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


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES in os.environ else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database's URL; on PostgreSQL a schema of its own, dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'folder' / 'ledger.db'}"
        return
    pytest.importorskip("psycopg")
    schema = f"test_{secrets.token_hex(6)}"
    server = sa.make_url(os.environ[POSTGRES]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    own = server.update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def ledger(url: str) -> Ledger:
    ledger = Ledger(url)
    ledger.migrate()
    return ledger


@pytest.fixture
def open_run(ledger: Ledger) -> Callable[..., int]:
    def open_run(run_id: str = "run", first: date = DAY, last: date | None = None, **changes: Any) -> int:
        given: dict[str, Any] = {"workload": WORKLOAD, "team": "core", "site": "local", "run_type": "manual", **changes}
        return ledger.open_run("dag", run_id, partition_first=first, partition_last=last or first, **given)

    return open_run


@pytest.fixture
def key() -> Callable[..., TryKey]:
    def key(task_id: str, run_id: str = "run", repeat: int = 0, try_number: int = 1) -> TryKey:
        return TryKey(dag_id="dag", run_id=run_id, repeat=repeat, task_id=task_id, try_number=try_number)

    return key


@pytest.fixture
def reading() -> Callable[..., MeterReading]:
    """A reading of a process of its own, unless ``started_at`` is given."""

    def reading(**changes: object) -> MeterReading:
        started_at = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(seconds=next(_moments))
        known: dict[str, object] = {
            "wall_seconds": 10.0,
            "cpu_seconds": 5.0,
            "peak_memory_bytes": 1000,
            "joules": 100.0,
        }
        known |= {"energy_method": "estimated", "energy_coverage": 0.0}
        return MeterReading.model_validate({"started_at": started_at, **known, **changes})

    return reading


@pytest.fixture
def report(reading: Callable[..., MeterReading]) -> Callable[..., Report]:
    def report(
        result: Result | None = None,
        outcome: str = "ok",
        reason: str = "done",
        exit_code: int | None = None,
        meter: MeterReading | None = None,
    ) -> Report:
        error = None
        if exit_code is not None:
            error = ErrorDetail(type="E", what=reason, where="w", rule="r", remedy="m", exit_code=exit_code)
        return Report.model_validate(
            {"outcome": outcome, "reason": reason, "error": error, "meter": meter or reading(), "result": result}
        )

    return report


@pytest.fixture
def staged() -> Callable[..., StagedPartition]:
    def staged(day: date = DAY, rows: int = 10, content: str = "a") -> StagedPartition:
        return StagedPartition(
            partition=day,
            file_uri="file:///staging/part.parquet",
            rows=rows,
            duplicates=1,
            source_uri=f"file:///arrivals/{day}.jsonl",
            source_bytes=100,
            content_sha256=hashlib.sha256(content.encode()).hexdigest(),
        )

    return staged


@pytest.fixture
def ingested() -> Callable[..., IngestResult]:
    def ingested(*partitions: StagedPartition, absent: tuple[date, ...] = ()) -> IngestResult:
        return IngestResult(staged=partitions, absent=tuple(day.isoformat() for day in absent))

    return ingested


@pytest.fixture
def validated() -> Callable[..., ValidateResult]:
    def validated(version: int, *partitions: StagedPartition) -> ValidateResult:
        profiles = {
            part.partition.isoformat(): Profile(
                rows=part.rows,
                bytes=part.rows * 100,
                rows_by_split={"train": part.rows - 1, "test": 1},
                label_counts={"a": part.rows},
                token_lengths=LengthHistogram(upper=(16, 32), counts=(part.rows - 1, 1)),
            )
            for part in partitions
        }
        return ValidateResult(
            dataset_uri="file:///store/news",
            version=version,
            published=partitions,
            outcomes=(),
            profiles=profiles,
        )

    return validated


@pytest.fixture
def plan() -> Callable[..., Plan]:
    def plan(until: date = DAY, version: int = 0, joules: float = 50.0, **changes: object) -> Plan:
        whole = {
            "made_at": datetime(2024, 3, 1, tzinfo=UTC),
            "dataset": DatasetVersion(workload=WORKLOAD, uri="file:///store/news", version=version, until=until),
            "model_parameters": 10,
            "forward_flops_per_row": 1.0,
            "training_flops": 1.0,
            "train_rows": 9,
            "seconds_by_step": {"train": Quantity(p50=20, p90=40)},
            "seconds": Quantity(p50=20, p90=40),
            "peak_memory_bytes": Quantity(p50=2000, p90=3000),
            "joules": Quantity(p50=joules, p90=90),
            "hardware": Hardware(
                name="h",
                cores=1,
                gflops_per_core=1,
                idle_watts_per_core=1,
                active_watts_per_core=1,
                memory_bytes=1,
            ),
            "bottleneck": "compute",
            **changes,
        }
        digest = hashlib.sha256(repr(sorted(whole.items(), key=lambda item: item[0])).encode()).hexdigest()
        return Plan.model_validate({**whole, "sha256": digest})

    return plan


@pytest.fixture
def exported() -> Callable[..., ExportResult]:
    def exported(version: str = "v1", digest: str = "a" * 64) -> ExportResult:
        model = ModelVersion(
            workload=WORKLOAD, version=version, uri=f"file:///models/{version}", manifest_sha256=digest
        )
        return ExportResult(model=model, export_error=1e-6, export_tolerance=1e-4, bytes=1234)

    return exported


@pytest.fixture
def evaluated(exported: Callable[..., ExportResult]) -> Callable[..., EvaluateResult]:
    def quality(version: str, micro_f1: float) -> Quality:
        return Quality(
            model=exported(version).model,
            rows=100,
            micro_f1=micro_f1,
            macro_f1=micro_f1 / 2,
            calibration_error=0.1,
            labels=(),
            serving=ServingCost(
                requests=10,
                p50_latency_seconds=0.01,
                p99_latency_seconds=0.02,
                joules_per_request=None,
                energy_method=None,
                peak_memory_bytes=5,
            ),
        )

    def evaluated(version: str = "v1", micro_f1: float = 0.8, live: str | None = None) -> EvaluateResult:
        return EvaluateResult(
            candidate=quality(version, micro_f1),
            live=quality(live, 0.7) if live else None,
            baseline=None,
            replay_uri="file:///replay.jsonl",
        )

    return evaluated


@pytest.fixture
def train_model(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
    exported: Callable[..., ExportResult],
) -> Callable[..., None]:
    """A run that ends with a candidate, trained on the given data."""

    def train_model(version: str, until: date = DAY, dataset: int = 0) -> None:
        run_id = f"run-{version}"
        repeat = open_run(run_id, until)
        ledger.store_plan("dag", run_id, repeat, plan(until, dataset))
        ledger.commit_report(key("train", run_id, repeat), report(), "p1")
        ledger.commit_report(key("export", run_id, repeat), report(exported(version)), "p2")

    return train_model
