"""Waits for a step's pod: brisk with short steps, sparing with long ones."""

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

# looking adds at most this share to a step's time, within bounds that spare the API server and keep the log flowing
_SHARE = 0.05
_MAX_SECONDS = 5.0
_BRISK_SECONDS = 10.0
_STARTED = (PodPhase.RUNNING, *PodPhase.terminal_states)


class PodStepTrigger(KubernetesPodTrigger):
    """The provider's trigger, with a poll interval that grows with the wait.

    ``poll_interval`` is the first, and the least; a twentieth of the time that has passed is the next, five seconds the
    longest. A pod that has not started is looked at as often for its first ten seconds, and then every
    ``startup_check_interval``.
    """

    @property
    def poll_interval(self) -> float:
        """Seconds until the next look."""
        waited_seconds = (datetime.now(UTC) - self.trigger_start_time).total_seconds()
        return min(max(self._least_seconds, _SHARE * waited_seconds), _MAX_SECONDS)

    @poll_interval.setter
    def poll_interval(self, seconds: float) -> None:
        self._least_seconds = seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """As the provider's, under this class's name."""
        return f"{__name__}.{type(self).__name__}", super().serialize()[1] | {"poll_interval": self._least_seconds}

    async def on_kill(self) -> None:
        """Have the pods end and what they used booked, which may take longer than the triggerer waits for this.

        Airflow asks for it too where another triggerer has taken the task over: then the pods go on.
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
        """Those of the run's tasks: none where the run, or its DAG, was deleted; None where Airflow does not say."""
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
        """Of the task, as Airflow names it among those of its run."""
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
        """A pod's phase follows its container's end; the operator, called before that, sleeps for two seconds."""
        with contextlib.suppress(ApiException):
            await self._await_phase(PodPhase.terminal_states)

    async def _await_phase(self, phases: Collection[str]) -> None:
        """Look briskly for ten seconds; what is later is for those who wait longer."""
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
