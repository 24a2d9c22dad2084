"""Trigger that waits for a step's pod: polls short steps often and long steps rarely."""

import asyncio
import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodPhase
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.utils.state import TaskInstanceState
from asgiref.sync import sync_to_async
from kubernetes_asyncio.client.exceptions import ApiException

from millrace.orchestration.connections import reach_stores
from millrace.runs.stop_request import STOPPED, stop_deleted, stop_try
from millrace.settings import load_settings

# polling adds at most this share to a step's time; the bounds limit the API server's load and the log's delay
_SHARE = 0.05
_MAX_SECONDS = 5.0
_BRISK_SECONDS = 10.0
_STARTED = (PodPhase.RUNNING, *PodPhase.terminal_states)


class PodStepTrigger(KubernetesPodTrigger):
    """KubernetesPodTrigger with a poll interval that grows with the wait.

    The interval is a twentieth of the time waited so far, at least the argument ``poll_interval`` and at most five
    seconds. A pod that has not started is polled every ``poll_interval`` for ten seconds, then every
    ``startup_check_interval``.
    """

    @property
    def poll_interval(self) -> float:
        """Seconds until the next poll."""
        waited_seconds = (datetime.now(UTC) - self.trigger_start_time).total_seconds()
        return min(max(self._least_seconds, _SHARE * waited_seconds), _MAX_SECONDS)

    @poll_interval.setter
    def poll_interval(self, seconds: float) -> None:
        self._least_seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Serialize as the provider's trigger does, with this class's name and the least poll interval."""
        return f"{__name__}.{type(self).__name__}", super().serialize()[1] | {"poll_interval": self._least_seconds}

    async def on_kill(self) -> None:
        """Start a process that ends the pods and counts their use: that may take longer than the triggerer allows.

        Does nothing if another triggerer has taken over the task (Airflow calls ``on_kill`` then too).
        """
        uri, sha256 = self.trigger_kwargs.get("spec_uri"), self.trigger_kwargs.get("spec_sha256")
        if self._fired_event or uri is None or sha256 is None:
            return
        states = await self._states()
        if states is not None and states.get(self._name()) == TaskInstanceState.DEFERRED:
            self.log.info("another triggerer waits for the pod %s", self.pod_name)
            return
        try:
            await sync_to_async(_stop)(uri, sha256, forgotten=states == {})
        except Exception:
            self.log.exception("nobody could be asked to end and book the pod %s", self.pod_name)
            await super().on_kill()

    async def _states(self) -> dict[str, Any] | None:
        """Return the states of the run's tasks: empty if the run or its DAG was deleted, None if Airflow fails."""
        task = self.task_instance
        if task is None:
            return None
        try:
            found = await sync_to_async(RuntimeTaskInstance.get_task_states)(task.dag_id, run_ids=[task.run_id])
        except Exception:
            self.log.exception("Airflow does not say what became of run %s", task.run_id)
            return None
        return dict(found.get(task.run_id, {}))

    def _name(self) -> str:
        """Return the task's key in Airflow's task states: the task ID, with the map index of a mapped task."""
        task = self.task_instance
        if task is None:
            return ""
        return task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"

    async def _wait_for_pod_start(self) -> Any:  # noqa: ANN401 - the provider's own
        await self._await_phase(_STARTED)
        state = await super()._wait_for_pod_start()
        if state in (ContainerState.TERMINATED, ContainerState.FAILED):
            await self._settle()
        return state

    async def _wait_for_container_completion(self) -> Any:  # noqa: ANN401 - the provider's own
        event = await super()._wait_for_container_completion()
        if event.payload["status"] in ("success", "failed"):
            await self._settle()
        return event

    async def _settle(self) -> None:
        """Wait for the pod's terminal phase, which follows its container's end.

        Otherwise the operator would resume before it and sleep for two seconds.
        """
        with contextlib.suppress(ApiException):
            await self._await_phase(PodPhase.terminal_states)

    async def _await_phase(self, phases: Collection[str]) -> None:
        """Poll at the least interval until the pod has one of these phases, or ten seconds have passed."""
        began = asyncio.get_running_loop().time()
        while (await self._get_pod()).status.phase not in phases:
            if asyncio.get_running_loop().time() - began > _BRISK_SECONDS:
                return
            await asyncio.sleep(self._least_seconds)


def _stop(uri: str, sha256: str, *, forgotten: bool) -> None:
    settings = load_settings()
    reach_stores(settings)
    if forgotten:
        stop_deleted(uri, sha256, settings)
    else:
        stop_try(uri, sha256, STOPPED, settings)
