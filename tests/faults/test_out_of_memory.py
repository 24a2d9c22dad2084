"""Too little memory: F16 of the catalogue of faults. Pods end as a test says; tests/cluster kills a real one."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from millrace import settings
from millrace.contracts.data import Column, Dataset, DatasetVersion, Source, Split, Target
from millrace.contracts.errors import DeviceMemoryError
from millrace.contracts.measurement import MeterReading, Quantity
from millrace.contracts.plan import Plan
from millrace.contracts.report import Report, TrainResult
from millrace.contracts.run_spec import TrainTask
from millrace.contracts.workload import GatePolicy, Training, Workload
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.runs import step_specs
from tests.unit.conftest import context_of
from tests.unit.orchestration.operators.test_pod_step import Harness, ended, failed

CAP = 3072
WORKLOAD = Workload(
    name="flowers",
    description="Which flower it is.",
    owner="tests",
    team="tests",
    start=date(2026, 1, 1),
    dataset=Dataset(
        source=Source(uri_template="file:///a/{partition}.csv", format="csv"),
        columns=(Column(name="id", type="int64"), Column(name="x", type="float64"), Column(name="y", type="string")),
        features=("x",),
        target=Target(column="y", kind="single_label", labels=("a", "b")),
        split=Split(key="id"),
    ),
    training=Training(trainer="mlp_classifier"),
    gate=GatePolicy(quality_floor=0.5),
)
TRAINED = TrainResult(
    trained_uri="file:///t", trained_sha256="0" * 64, losses=(1.0,), rows=1, steps=1, tokens=None,
    resumed_from_step=None, thresholds=(0.0,), validation_micro_f1=1.0, rows_per_second=1.0,
)  # fmt: skip


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Harness]:
    """A training's task whose plan says 1,000 MiB, of which nine runs in ten stay under 1,400."""
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_KUBERNETES_MAX_MEMORY_BYTES", str(CAP << 20))
    monkeypatch.setenv("MILLRACE_KUBERNETES_STEP_MEMORY_BYTES", str(512 << 20))
    settings.load_settings.cache_clear()
    harness = Harness(WORKLOAD, context_of(WORKLOAD, "ingest"), monkeypatch, tmp_path)
    hardware = harness.launch().hardware
    some = Quantity(p50=1, p90=2)
    plan = Plan(
        made_at=datetime(2026, 1, 2, tzinfo=UTC),
        dataset=DatasetVersion(workload="flowers", uri="file:///table", version=1, until=date(2026, 1, 1)),
        model_parameters=1, forward_flops_per_row=1, training_flops=1, train_rows=1, seconds_by_step={},
        seconds=some, peak_memory_bytes=Quantity(p50=1000 << 20, p90=1400 << 20), joules=some, bottleneck="compute",
        sha256="0" * 64, hardware=hardware, family="mlp_classifier",
        parts={"memory": {"framework": float(800 << 20), "states": float(200 << 20)}},
    )  # fmt: skip
    harness.ledger.store_plan("flowers", "manual__1", 0, plan)
    task = PodStepOperator(task_id="train", image="train", make_task=step_specs.train, workload=WORKLOAD)
    monkeypatch.setattr(harness, "task", lambda: task)
    harness.launched.clear()
    yield harness
    settings.load_settings.cache_clear()


def limits(training: Harness) -> list[int]:
    asked = [pod.spec.containers[0].resources.limits["memory"] for pod in training.launched]
    return [int(limit.removesuffix("Mi")) for limit in asked]


def test_f16_a_training_killed_for_want_of_memory_gets_more_and_its_family_learns(training: Harness) -> None:
    """F16: killed for want of memory is a wrong size: one more pod with half as much again, and plans learn from it."""
    spec = training.launch()
    training.over(ended(code=137, reason="OOMKilled", limit=limits(training)[0]))
    assert limits(training) == [1408, 2112]
    assert training.spec_given(1).key == spec.key, "no retry was used up"
    assert training.ledger.calibration(spec.hardware.name, "mlp_classifier") is None
    meter = MeterReading(
        started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=5, cpu_seconds=5, peak_memory_bytes=1800 << 20
    )
    told = TRAINED.model_copy(update={"trained_uri": f"{training.spec_given(1).attempt_uri}/out/trained"})
    done = Report(outcome="ok", reason="done", meter=meter, result=told)
    assert training.over(ended("Succeeded", 0), done, "success") == "done"
    learned = training.ledger.calibration(spec.hardware.name, "mlp_classifier")
    plan = training.ledger.plan("flowers", "manual__1")
    assert learned is not None
    assert plan is not None
    parts = plan.parts["memory"]
    right = math.fsum(value * learned.scales["memory"][name] for name, value in parts.items())
    assert right == pytest.approx(1800 << 20, rel=0.02), "the family's next plan is right"
    assert set(learned.scales) == {"memory"}, "a part of the work says nothing of the whole's seconds"


def test_f16_at_the_cap_it_stops_and_says_what_to_do(training: Harness) -> None:
    """F16: beyond the site's cap nothing is tried again."""
    training.launch()
    training.over(ended(code=137, reason="OOMKilled", limit=2112))
    assert limits(training)[-1] == CAP
    with pytest.raises(AirflowFailException, match="a smaller batch or length"):
        training.over(ended(code=137, reason="OOMKilled", limit=CAP))
    assert len(training.launched) == 2


def test_f16_a_gpu_without_room_is_fed_fewer_rows_and_that_is_remembered(training: Harness) -> None:
    """F16: a GPU without room is fed half the rows of a batch at once, down to one, and the next run begins there."""
    error = DeviceMemoryError("no room for 8 rows", where="parameters.batch_size", rule="", remedy="")
    training.launch()
    for _ in range(3):
        training.over(ended(code=20), failed(error))
    tasks = [training.spec_given(number).task for number in range(4)]
    assert [task.rows_at_once for task in tasks if isinstance(task, TrainTask)] == [None, 4, 2, 1]
    with pytest.raises(AirflowFailException, match="one row, with its gradients, fits"):
        training.over(ended(code=20), failed(error))
    assert training.ledger.device_rows_correction("flowers", training.spec_given(0).hardware.name) == 1
