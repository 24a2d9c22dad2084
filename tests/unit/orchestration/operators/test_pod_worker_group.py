"""How a worker group ended: which worker's end is the cause, and what all of them used."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import models as k8s

from millrace import settings
from millrace.contracts.errors import BadInputError, InterruptedStepError, StepError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import ErrorDetail, Report
from millrace.contracts.run_spec import METER_FILE, REPORT_FILE, RunSpec
from millrace.contracts.workload import Workload
from millrace.orchestration.operators.pod_worker_group import PodWorkerGroupOperator
from millrace.runs import attempt_folders, step_specs
from millrace.storage import files

READING = MeterReading(
    started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=10, cpu_seconds=8, joules=5.0, peak_memory_bytes=100,
    energy_method="estimated", energy_coverage=1.0,
)  # fmt: skip
LOST = InterruptedStepError("another worker was lost", where="w", rule="r", remedy="m")
BAD = BadInputError("the loss is nan", where="w", rule="r", remedy="m")


def report(error: StepError | None = None) -> Report:
    if error is None:
        return Report(outcome="ok", reason="done", meter=READING)
    return Report(
        outcome="interrupted" if error is LOST else "failed",
        reason=error.what,
        code=error.code,
        error=ErrorDetail.of(error),
        meter=READING,
    )


def pod(index: int, code: int | None, reason: str = "Error", deleted: bool = False) -> k8s.V1Pod:
    terminated = k8s.V1ContainerStateTerminated(exit_code=code, reason=reason) if code is not None else None
    state = k8s.V1ContainerState(terminated=terminated, running=None if terminated else k8s.V1ContainerStateRunning())
    status = k8s.V1ContainerStatus(name="base", image="i", image_id="", ready=False, restart_count=0, state=state)
    resources = k8s.V1ResourceRequirements(limits={"memory": "1024Mi"})
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(
            labels={"batch.kubernetes.io/job-completion-index": str(index)},
            deletion_timestamp="now" if deleted else None,
        ),
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=resources)]),
        status=k8s.V1PodStatus(phase="Failed" if terminated else "Running", container_statuses=[status]),
    )


class WorkerGroup:
    """A worker group of three whose pods and reports are as a test says."""

    def __init__(self, spec: RunSpec, workload: Workload, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        dataset = {"workload": workload.name, "uri": "file:///table", "version": 1, "until": "2026-01-01"}
        parameters = spec.parameters.model_copy(update={"workers": 3})
        given = {"task": {"kind": "train", "dataset": dataset, "base_model": None}, "parameters": parameters}
        self.spec = RunSpec.model_validate({**spec.model_dump(), **given, "attempt_uri": (home / "try-1").as_uri()})
        self.task = PodWorkerGroupOperator(
            task_id="train", image="train", make_task=step_specs.train, workload=workload
        )
        self.pods: dict[int, k8s.V1Pod] = {}
        self.ended: list[str] = []
        monkeypatch.setattr(PodWorkerGroupOperator, "_pods", lambda _, job: self.pods)
        monkeypatch.setattr(PodWorkerGroupOperator, "_end", lambda _, job: self.ended.append(job))

    def say(self, index: int, said: Report) -> None:
        uri = attempt_folders.worker_uri(self.spec.attempt_uri, index) if index else self.spec.attempt_uri
        files.write_bytes(files.join(uri, REPORT_FILE), said.model_dump_json().encode())

    def end(self) -> Any:
        self.task.pod = self.pods.get(0)
        found = self.task.how_it_ended(self.spec, "flowers-train-x1-0-abcde")
        assert self.ended == ["flowers-train-x1"]
        return found


@pytest.fixture
def worker_group(spec: RunSpec, workload: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    yield WorkerGroup(spec, workload, monkeypatch, tmp_path)
    settings.load_settings.cache_clear()


def test_a_deleted_worker_is_the_cause_and_not_the_leader_who_lost_it(worker_group: WorkerGroup) -> None:
    worker_group.pods = {0: pod(0, 30), 2: pod(2, 30)}
    worker_group.say(0, report(LOST))
    worker_group.say(2, report(LOST))
    found, end = worker_group.end()
    assert (found.outcome, end.kind) == ("interrupted", "disrupted")


def test_a_worker_without_memory_is_the_cause(worker_group: WorkerGroup) -> None:
    worker_group.pods = {0: pod(0, 30), 1: pod(1, 137, "OOMKilled"), 2: pod(2, None, deleted=True)}
    worker_group.say(0, report(LOST))
    assert worker_group.end()[1].kind == "oom"


def test_a_crashed_worker_is_no_disruption(worker_group: WorkerGroup) -> None:
    worker_group.pods = {0: pod(0, None, deleted=True), 1: pod(1, 139), 2: pod(2, None, deleted=True)}
    found, end = worker_group.end()
    assert found is None
    assert (end.kind, end.exit_code) == ("ended", 139)


def test_a_followers_error_is_the_steps_error(worker_group: WorkerGroup) -> None:
    worker_group.pods = {0: pod(0, 30), 1: pod(1, 10), 2: pod(2, 30)}
    worker_group.say(0, report(LOST))
    worker_group.say(1, report(BAD))
    assert worker_group.end()[0].reason == BAD.what


def test_a_worker_without_a_node_is_missing_with_the_schedulers_reason() -> None:
    from millrace.orchestration.operators.pod_worker_group import _missing

    waits = pod(1, None)
    waits.status = k8s.V1PodStatus(
        phase="Pending",
        conditions=[
            k8s.V1PodCondition(
                type="PodScheduled", status="False", reason="Unschedulable", message="Insufficient nvidia.com/gpu"
            )
        ],
    )
    placed = pod(0, None)
    placed.spec.node_name = "node"
    assert _missing({0: placed, 1: waits}, 2) == "Unschedulable: Insufficient nvidia.com/gpu"
    assert "1 of 2 pods were created" in str(_missing({0: placed}, 2))
    assert _missing({0: placed}, 1) is None


def test_what_all_workers_used_is_in_the_leaders_reading(worker_group: WorkerGroup) -> None:
    worker_group.pods = {index: pod(index, 0, "Completed") for index in range(3)}
    worker_group.say(0, report())
    worker_group.say(1, report())
    worker_group.say(2, report().model_copy(update={"meter": READING.model_copy(update={"peak_memory_bytes": 300})}))
    found, _ = worker_group.end()
    meter = attempt_folders.with_workers(found, worker_group.spec).meter
    assert (meter.wall_seconds, meter.cpu_seconds, meter.joules) == (10, 24, 15)
    assert meter.peak_memory_bytes == 300
    assert (meter.energy_method, meter.energy_coverage) == ("estimated", 1.0)


def test_of_a_follower_that_said_nothing_the_last_reading_counts_and_unknown_joules_stay_unknown(
    worker_group: WorkerGroup,
) -> None:
    kept = READING.model_copy(update={"joules": None, "energy_method": None, "energy_coverage": None})
    uri = files.join(attempt_folders.worker_uri(worker_group.spec.attempt_uri, 1), METER_FILE)
    files.write_bytes(uri, kept.model_dump_json().encode())
    meter = attempt_folders.with_workers(report(), worker_group.spec).meter
    assert meter.cpu_seconds == 16
    assert (meter.joules, meter.energy_method, meter.energy_coverage) == (None, None, None)
