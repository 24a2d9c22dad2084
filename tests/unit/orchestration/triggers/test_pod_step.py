"""The trigger that waits for a step's pod."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.sdk.module_loading import import_string  # type: ignore[attr-defined]
from airflow.triggers.base import TriggerEvent

from millrace.orchestration.triggers import pod_step
from millrace.orchestration.triggers.pod_step import PodStepTrigger


def trigger(waited_seconds: float = 0, first_poll_seconds: float = 0.25) -> PodStepTrigger:
    return PodStepTrigger(
        pod_name="train",
        pod_namespace="steps",
        trigger_start_time=datetime.now(UTC) - timedelta(seconds=waited_seconds),
        base_container_name="base",
        poll_interval=first_poll_seconds,
    )


@pytest.mark.parametrize(("waited", "interval"), [(0, 0.25), (4, 0.25), (40, 2.0), (99, 4.95), (36_000, 5.0)])
def test_the_longer_it_has_waited_the_less_often_it_looks(waited: float, interval: float) -> None:
    assert trigger(waited).poll_interval == pytest.approx(interval, abs=0.01)


def test_a_triggerer_that_takes_it_over_goes_on_where_it_was() -> None:
    path, given = trigger(40).serialize()
    again = import_string(path)(**given)
    assert type(again) is PodStepTrigger
    assert given["poll_interval"] == 0.25
    assert again.poll_interval == pytest.approx(2.0, abs=0.01)


@pytest.fixture
def phases(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the pod's phase is at each look, the provider's own ones left out."""
    phases: list[str] = []

    async def pod(_self: Any) -> Any:
        return SimpleNamespace(status=SimpleNamespace(phase=phases.pop(0)))

    monkeypatch.setattr(KubernetesPodTrigger, "_get_pod", pod)
    return phases


def provider_says(monkeypatch: pytest.MonkeyPatch, method: str, answer: Any) -> None:
    async def say(_self: Any) -> Any:
        return answer

    monkeypatch.setattr(KubernetesPodTrigger, method, say)


def test_a_pod_is_looked_at_briskly_while_it_starts(monkeypatch: pytest.MonkeyPatch, phases: list[str]) -> None:
    provider_says(monkeypatch, "_wait_for_pod_start", ContainerState.RUNNING)
    phases += ["Pending"] * 3 + ["Running", "not asked for"]
    assert asyncio.run(trigger(first_poll_seconds=0.01)._wait_for_pod_start()) == ContainerState.RUNNING
    assert phases == ["not asked for"]


def test_the_task_is_called_when_the_pods_phase_says_that_it_has_ended(
    monkeypatch: pytest.MonkeyPatch, phases: list[str]
) -> None:
    event = TriggerEvent({"status": "success"})
    provider_says(monkeypatch, "_wait_for_pod_start", ContainerState.TERMINATED)
    provider_says(monkeypatch, "_wait_for_container_completion", event)
    phases += ["Running", "Running", "Succeeded", "not asked for"]
    assert asyncio.run(trigger(first_poll_seconds=0.01)._wait_for_pod_start()) == ContainerState.TERMINATED
    assert phases == ["not asked for"]
    phases[:] = ["Running", "Failed", "not asked for"]
    assert asyncio.run(trigger(first_poll_seconds=0.01)._wait_for_container_completion()) is event
    assert phases == ["not asked for"]


def test_a_task_past_its_time_is_called_at_once(monkeypatch: pytest.MonkeyPatch, phases: list[str]) -> None:
    event = TriggerEvent({"status": "timeout"})
    provider_says(monkeypatch, "_wait_for_container_completion", event)
    assert asyncio.run(trigger()._wait_for_container_completion()) is event
    assert phases == []


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trigger whose task is ended; Airflow knows ``states`` of its run's tasks, or cannot say."""
    found = SimpleNamespace(trigger=trigger(), states={"run": {"train": "failed"}}, asked=[])
    found.trigger.trigger_kwargs = {"spec_uri": "s3://bucket/try-1/spec.json", "spec_sha256": "ab" * 32}
    found.trigger.task_instance = SimpleNamespace(dag_id="dag", run_id="run", task_id="train", map_index=-1, id="ti")

    def states(_dag_id: str, run_ids: list[str]) -> Any:
        assert run_ids == ["run"]
        if found.states is None:
            raise OSError("no answer")
        return found.states

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", states)
    monkeypatch.setattr(pod_step, "stop_try", lambda uri, _sha256, reason, _: found.asked.append((uri, reason)))
    monkeypatch.setattr(pod_step, "stop_deleted", lambda uri, _sha256, _: found.asked.append((uri, "deleted")))
    return found


ENDED = ("s3://bucket/try-1/spec.json", "its task was ended in Airflow")


def test_a_task_that_is_ended_has_its_pods_ended_by_the_order_that_they_were_given(ended: Any) -> None:
    asyncio.run(ended.trigger.on_kill())
    assert ended.asked == [ENDED]
    ended.trigger._fired_event = True
    asyncio.run(ended.trigger.on_kill())
    assert len(ended.asked) == 1, "the task that goes on has its own signal"


@pytest.mark.parametrize(("index", "name"), [(-1, "train"), (2, "train_2")])
def test_pods_of_a_task_that_another_triggerer_has_taken_over_go_on(ended: Any, index: int, name: str) -> None:
    ended.trigger.task_instance.map_index = index
    ended.states = {"run": {name: "deferred", "size": "success"}}
    asyncio.run(ended.trigger.on_kill())
    assert not ended.asked


def test_a_run_that_airflow_has_forgotten_is_closed(ended: Any) -> None:
    ended.states = {}
    asyncio.run(ended.trigger.on_kill())
    assert [what for _, what in ended.asked] == ["deleted"]
    ended.states = None
    asyncio.run(ended.trigger.on_kill())
    assert ended.asked[1:] == [ENDED], "no answer is no sign of a deleted run"


def test_where_nobody_can_be_asked_the_pod_is_deleted_all_the_same(ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted: list[str] = []

    def refuse(*_: Any) -> None:
        raise OSError("no process can be started")

    async def delete(self: Any) -> None:
        deleted.append(self.pod_name)

    monkeypatch.setattr(pod_step, "stop_try", refuse)
    monkeypatch.setattr(KubernetesPodTrigger, "on_kill", delete)
    asyncio.run(ended.trigger.on_kill())
    assert deleted == ["train"]
