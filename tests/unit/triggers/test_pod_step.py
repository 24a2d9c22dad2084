"""The trigger that waits for a step's pod."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TriggerEvent

from millrace.triggers.pod_step import PodStepTrigger


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
