"""What a pod's end means to Airflow and the ledger; a cluster is not needed to say it."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from kubernetes.client import models as k8s

from millrace import settings
from millrace.contracts.data import DatasetVersion, Window
from millrace.contracts.errors import BadInputError, DeviceMemoryError, InterruptedStepError
from millrace.contracts.measurement import MeterReading, Quantity
from millrace.contracts.plan import Plan
from millrace.contracts.report import ErrorDetail, IngestResult, Report
from millrace.contracts.run_spec import REPORT_FILE, SPEC_FILE, RunSpec, TrainTask
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration.operators.pod_step import PodStepOperator
from millrace.runs import step_specs
from millrace.storage import files

READING = MeterReading(started_at=datetime(2026, 1, 2, tzinfo=UTC), wall_seconds=1, cpu_seconds=1, joules=5.0)
DONE = Report(outcome="ok", reason="done", meter=READING, result=IngestResult(staged=()))
LIMIT = 2048


class Harness:
    """A task of one run, whose pods begin when told to launch and end as a test says."""

    def __init__(self, workload: Workload, context: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        self.workload = workload
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.step: Any = step_specs.ingest
        self.launched: list[k8s.V1Pod] = []
        self.end: Any = None
        self.context: Any = context
        monkeypatch.setattr(PodStepOperator, "execute_async", lambda task, _: self.launched.append(_pod_of(task)))
        monkeypatch.setattr(PodStepOperator, "_await_api", lambda _: None)
        monkeypatch.setattr(
            KubernetesPodOperator, "trigger_reentry", lambda task, _context, _event: self._reenter(task)
        )

    def _reenter(self, task: PodStepOperator) -> None:
        task.pod = self.end
        if self.end is None or self.end.status.phase != "Succeeded":
            raise AirflowException("the pod failed")

    def task(self) -> PodStepOperator:
        return PodStepOperator(task_id="ingest", image="data", make_task=self.step, workload=self.workload)

    def launch(self) -> RunSpec:
        """Begin; the spec that the pod was given."""
        self.task().execute(self.context)
        return self.spec_given(-1)

    def spec_given(self, number: int) -> RunSpec:
        uri = self.launched[number].metadata.annotations["millrace/spec"]
        return RunSpec.model_validate_json(files.read_bytes(uri))

    def over(
        self, end: k8s.V1Pod | None, report: Report | None = None, status: str = "failed", spec: RunSpec | None = None
    ) -> Any:
        """The newest pod ends; what the task makes of it."""
        spec = spec or self.spec_given(-1)
        if report is not None:
            files.write_bytes(files.join(spec.attempt_uri, REPORT_FILE), report.model_dump_json().encode())
        self.end = end
        event = {
            "status": status, "name": f"pod-{len(self.launched)}", "namespace": "millrace-steps", "message": "",
            "spec_uri": files.join(spec.attempt_uri, SPEC_FILE),
            "spec_sha256": self.launched[-1].metadata.annotations["millrace/spec-sha256"],
        }  # fmt: skip
        return self.task().trigger_reentry(self.context, event)

    def tries(self) -> list[tuple[str, str]]:
        rows = self.ledger.tries(self.workload.name, "manual__1", 0)
        return [(row["outcome"], row["process_uid"]) for row in rows]


def _pod_of(task: PodStepOperator) -> k8s.V1Pod:
    task.full_pod_spec.spec.containers[0].resources = task.container_resources
    return task.full_pod_spec


@pytest.fixture
def harness(
    workload: Workload, task_context: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Harness]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_KUBERNETES_MAX_MEMORY_BYTES", str(3072 << 20))
    settings.load_settings.cache_clear()
    yield Harness(workload, task_context("ingest"), monkeypatch, tmp_path)
    settings.load_settings.cache_clear()


def ended(
    phase: str = "Failed", code: int = 1, reason: str = "Error", deleted: bool = False, limit: int = LIMIT
) -> Any:
    container = k8s.V1Container(name="base", resources=k8s.V1ResourceRequirements(limits={"memory": f"{limit}Mi"}))
    state = k8s.V1ContainerState(terminated=k8s.V1ContainerStateTerminated(exit_code=code, reason=reason))
    status = k8s.V1ContainerStatus(name="base", image="i", image_id="", ready=False, restart_count=0, state=state)
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(deletion_timestamp="now" if deleted else None),
        spec=k8s.V1PodSpec(containers=[container]),
        status=k8s.V1PodStatus(phase=phase, container_statuses=[status]),
    )


def failed(error: Any) -> Report:
    return Report(
        outcome="interrupted" if isinstance(error, InterruptedStepError) else "failed",
        reason=error.what,
        code=error.code,
        error=ErrorDetail.of(error),
        meter=READING,
    )


def test_a_committed_report_makes_the_task_green(harness: Harness) -> None:
    spec = harness.launch()
    assert spec.attempt_uri.endswith("/ingest/try-1")
    assert harness.over(ended("Succeeded", 0), DONE, "success") == "done"
    assert harness.tries() == [("ok", "pod:millrace-steps/pod-1")]


def test_a_report_counts_even_where_the_pod_is_gone(harness: Harness) -> None:
    harness.launch()
    assert harness.over(None, DONE) == "done"
    assert len(harness.launched) == 1


@pytest.mark.parametrize("left", ["another", "nothing", "no order"])
def test_an_order_that_was_changed_after_it_was_given_ends_the_run_and_books_its_joules(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """Whoever may write to the store could else say what the report is held against."""
    spec, ended_pods = harness.launch(), []
    monkeypatch.setattr(PodStepOperator, "end_pods", lambda _, attempt_uri: ended_pods.append(attempt_uri))
    uri = files.join(spec.attempt_uri, SPEC_FILE)
    another = spec.model_copy(
        update={"task": spec.task.model_copy(update={"window": Window(first=date(2026, 1, 2), last=date(2026, 1, 2))})}
    )
    files.write_bytes(uri, {"another": another.document, "no order": b"{}", "nothing": b""}[left])
    if left == "nothing":
        files.delete(uri)
    with pytest.raises(AirflowFailException, match="the step spec was"):
        harness.over(ended("Succeeded", 0), DONE, "success", spec)
    assert ended_pods == [spec.attempt_uri]
    assert harness.ledger.tries(spec.key.dag_id, spec.key.run_id, 0)[0]["joules"] == READING.joules
    assert harness.tries()[0] == ("lost", "pod:millrace-steps/pod-1")
    assert harness.ledger.committed_report(spec.key.dag_id, spec.key.run_id, "ingest") is None
    refused = harness.ledger.audit()[0]
    assert (refused["action"], refused["outcome"]) == ("step", "refused")


def test_a_pod_that_succeeded_without_a_report_has_not(harness: Harness) -> None:
    harness.launch()
    with pytest.raises(AirflowException, match="left no report"):
        harness.over(ended("Succeeded", 0, "Completed"), status="success")
    assert harness.tries()[0][0] == "lost"


@pytest.mark.parametrize("end", [None, ended(code=143, deleted=True)])
def test_a_deleted_pod_is_followed_by_another_in_the_same_try(harness: Harness, end: Any) -> None:
    harness.launch()
    harness.over(end)
    harness.over(end)
    assert [harness.spec_given(number).attempt_uri.rpartition("/")[2] for number in range(3)] == [
        "try-1", "try-1-restart-1", "try-1-restart-2"
    ]  # fmt: skip
    assert len({harness.spec_given(number).state_uri for number in range(3)}) == 1, "another checkpoint's folder"
    assert harness.over(ended("Succeeded", 0), DONE, "success") == "done"


def test_an_interrupted_step_is_counted_and_goes_on(harness: Harness) -> None:
    error = InterruptedStepError("asked to stop", where="step 3", rule="", remedy="")
    harness.launch()
    harness.over(ended(code=30, deleted=True), failed(error))
    assert harness.tries() == [("interrupted", "pod:millrace-steps/pod-1")]
    assert len(harness.launched) == 2


def test_too_little_memory_is_answered_with_half_as_much_again_and_remembered(harness: Harness) -> None:
    harness.launch()
    harness.over(ended(code=137, reason="OOMKilled"))
    limits = [pod.spec.containers[0].resources.limits["memory"] for pod in harness.launched]
    assert limits == ["2048Mi", "3072Mi"]
    assert harness.ledger.oom_correction("flowers", "ingest") == 3072 << 20
    with pytest.raises(AirflowFailException, match="at most 3,072 MiB"):
        harness.over(ended(code=137, reason="OOMKilled", limit=3072))


@pytest.fixture
def planned(harness: Harness, spec: RunSpec) -> Harness:
    """The run's plan is made, and its task trains."""
    harness.launch()
    some = Quantity(p50=1, p90=2)
    plan = Plan(
        made_at=datetime(2026, 1, 2, tzinfo=UTC),
        dataset=DatasetVersion(workload="flowers", uri="file:///table", version=1, until=date(2026, 1, 1)),
        model_parameters=1, forward_flops_per_row=1, training_flops=1, train_rows=1, seconds_by_step={},
        seconds=some, peak_memory_bytes=some, joules=some, bottleneck="compute", sha256="0" * 64,
        hardware=harness.spec_given(-1).hardware,
    )  # fmt: skip
    harness.ledger.store_plan("flowers", "manual__1", 0, plan)
    harness.step = step_specs.train
    harness.launched.clear()
    return harness


def test_a_gpu_without_room_is_fed_half_the_rows_in_another_pod_until_one_row_is_too_much(planned: Harness) -> None:
    error = DeviceMemoryError("no room for 8 rows", where="parameters.batch_size", rule="", remedy="")
    planned.launch()
    for _ in range(3):
        planned.over(ended(code=20), failed(error))
    given = [planned.spec_given(number) for number in range(4)]
    assert [order.task.rows_at_once for order in given if isinstance(order.task, TrainTask)] == [None, 4, 2, 1]
    assert {order.key.try_number for order in given} == {1}
    assert len({order.state_uri for order in given}) == 1, "another checkpoint's folder"
    assert planned.ledger.device_rows_correction("flowers", given[0].hardware.name) == 1
    with pytest.raises(AirflowFailException, match="one row, with its gradients, fits"):
        planned.over(ended(code=20), failed(error))
    assert [outcome for outcome, _ in planned.tries()] == ["failed"] * 4


def test_a_pod_that_cannot_start_ends_the_task_with_the_schedulers_reason(harness: Harness) -> None:
    harness.launch()
    condition = k8s.V1PodCondition(
        type="PodScheduled", status="False", reason="Unschedulable", message="0/5 nodes are available"
    )
    pod = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(),
        spec=k8s.V1PodSpec(containers=[]),
        status=k8s.V1PodStatus(phase="Pending", conditions=[condition]),
    )
    with pytest.raises(AirflowFailException, match="0/5 nodes are available"):
        harness.over(pod, status="timeout")
    assert "0/5 nodes" in harness.ledger.try_reasons("flowers", "manual__1", 0)["ingest"].text


def test_a_pod_that_takes_too_long_is_waited_for_until_it_has_saved_what_it_has(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = harness.launch()
    stopped = failed(InterruptedStepError("asked to stop", where="w", rule="r", remedy="m"))

    def end(_task: Any, attempt_uri: str) -> None:
        assert attempt_uri == spec.attempt_uri
        files.write_bytes(files.join(spec.attempt_uri, REPORT_FILE), stopped.model_dump_json().encode())

    monkeypatch.setattr(PodStepOperator, "end_pods", end)
    running = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(), spec=k8s.V1PodSpec(containers=[]), status=k8s.V1PodStatus(phase="Running")
    )
    with pytest.raises(AirflowException):
        harness.over(running, status="timeout")
    (row,) = harness.ledger.tries("flowers", "manual__1", 0)
    assert "took longer than" in row["reason"]
    assert "asked to stop" in row["reason"]
    assert row["joules"] == READING.joules
    assert len(harness.launched) == 1, "another pod goes on"


def test_bad_input_is_never_retried_and_a_skip_is_a_skip(harness: Harness) -> None:
    harness.launch()
    error = BadInputError("a column is missing", where="file", rule="", remedy="")
    with pytest.raises(AirflowFailException, match="a column is missing"):
        harness.over(ended(code=10), failed(error))
    harness.context["ti"].try_number = 2
    harness.launch()
    with pytest.raises(AirflowSkipException, match="no new data"):
        harness.over(ended("Succeeded", 0), Report(outcome="skipped", reason="no new data", meter=READING), "success")


def test_a_retry_takes_the_report_of_the_pod_that_finished_meanwhile_and_deletes_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow may try a task again whose deferral it did not see: the pod has ended, and nobody came for it."""
    spec = harness.launch()
    files.write_bytes(files.join(spec.attempt_uri, REPORT_FILE), DONE.model_dump_json().encode())
    pod, deleted = k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="left")), []
    listed = SimpleNamespace(list_namespaced_pod=lambda *_, **__: SimpleNamespace(items=[pod]))
    monkeypatch.setattr(PodStepOperator, "client", listed)
    monkeypatch.setattr(PodStepOperator, "_build_find_pod_label_selector", lambda *_, **__: "")
    monkeypatch.setattr(PodStepOperator, "process_pod_deletion", lambda _, each, **__: deleted.append(each))
    harness.context["ti"].try_number = 2
    assert harness.task().execute(harness.context) == "done"
    assert (deleted, len(harness.launched)) == ([pod], 1)


def test_a_waiting_task_s_trigger_holds_no_token(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Airflow keeps a trigger's arguments in its database, in plain text where it has no Fernet key."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps({"users": [{"name": "airflow", "user": {"token": "planted-token"}}]}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    task = harness.task()
    task.kubernetes_conn_id, task.pod = None, k8s.V1Pod(metadata=k8s.V1ObjectMeta(name="p", namespace="millrace-steps"))
    with pytest.raises(TaskDeferred) as waiting:
        task.invoke_defer_method()
    path, given = waiting.value.trigger.serialize()
    assert "planted-token" not in repr(given)
    assert path.endswith("PodStepTrigger"), "it waits by the trigger whose interval grows"
