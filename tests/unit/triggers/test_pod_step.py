"""The trigger that waits for a step's pod."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.sdk.module_loading import import_string

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


def test_a_pod_is_looked_at_briskly_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = ["Pending"] * 3 + ["Running"]

    async def pod(_self: Any) -> Any:
        return SimpleNamespace(status=SimpleNamespace(phase=phases.pop(0)))

    async def started(_self: Any) -> ContainerState:
        return ContainerState.RUNNING

    monkeypatch.setattr(KubernetesPodTrigger, "_get_pod", pod)
    monkeypatch.setattr(KubernetesPodTrigger, "_wait_for_pod_start", started)
    state = asyncio.run(trigger(first_poll_seconds=0.01)._wait_for_pod_start())
    assert (state, phases) == (ContainerState.RUNNING, [])
