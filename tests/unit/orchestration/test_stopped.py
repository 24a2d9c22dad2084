"""What a task does in the five seconds that Airflow gives it when it ends it."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import models as k8s

from millrace import settings
from millrace.contracts.workload import Workload
from millrace.launchers.process import ProcessLauncher
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators import pod_step, step
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.orchestration.operators.step import StepOperator
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.runs import step_specs
from millrace.runs.stop_request import STOPPED, TaskStopped


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    yield ledger
    settings.load_settings.cache_clear()


@pytest.fixture
def context(task_context: Callable[[str], Any]) -> Any:
    return task_context("ingest")


@pytest.fixture
def end() -> Any:
    """Have Airflow's signal, and so the task's ``on_kill``, come in the middle of what the task does."""
    before = signal.getsignal(signal.SIGTERM)

    def arm(task: WorkloadOperator) -> Callable[..., Any]:
        signal.signal(signal.SIGTERM, lambda *_: task.on_kill())

        def work(*_: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(60)

        return work

    yield arm
    signal.signal(signal.SIGTERM, before)


def reasons(ledger: Ledger, workload: Workload) -> list[tuple[str, str, bool]]:
    rows = ledger.tries(workload.name, "manual__1", 0)
    return [(row["outcome"], row["reason"], row["joules"] is not None) for row in rows]


def test_what_a_task_does_itself_is_left_and_what_it_used_is_booked(
    ledger: Ledger, workload: Workload, context: Any, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = WorkloadOperator(task_id="ingest", workload=workload)
    monkeypatch.setattr(WorkloadOperator, "work", lambda *_: end(task)())
    with pytest.raises(TaskStopped):
        task.execute(context)
    assert reasons(ledger, workload) == [("failed", STOPPED, True)]
    task.on_kill()  # a second signal, and one to a task that has ended, is nothing


def test_a_step_has_its_process_ended_by_who_may_wait_for_it(
    ledger: Ledger, workload: Workload, context: Any, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(step, "stop_try", lambda uri, *_: asked.append(uri))
    task = StepOperator(task_id="ingest", workload=workload, image="data", make_task=step_specs.ingest)
    monkeypatch.setattr(ProcessLauncher, "run", lambda *_: end(task)())
    with pytest.raises(TaskStopped):
        task.execute(context)
    assert [uri.rpartition("/try-1/")[2] for uri in asked] == ["spec.json"]
    assert reasons(ledger, workload) == [("lost", f"{STOPPED}; it left no report", False)]
    task.on_kill()
    assert len(asked) == 1


def test_a_pods_task_has_its_pods_ended_by_who_may_wait_for_them(
    ledger: Ledger, workload: Workload, context: Any, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pod_step, "stop_try", lambda spec_uri, **_: asked.append(spec_uri))
    task = PodStepOperator(task_id="ingest", workload=workload, image="data", make_task=step_specs.ingest)
    task.pod = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="pod"))
    monkeypatch.setattr(PodStepOperator, "execute_async", lambda *_: end(task)())
    with pytest.raises(TaskStopped):
        task.execute(context)
    assert [uri.rpartition("/try-1/")[2] for uri in asked] == ["spec.json"]


def test_being_ended_is_no_error_that_a_task_might_get_over() -> None:
    assert not issubclass(TaskStopped, Exception)
    assert not issubclass(TaskStopped, AirflowException)
