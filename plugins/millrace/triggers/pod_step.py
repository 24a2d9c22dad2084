"""Waits for a step's pod: brisk with short steps, sparing with long ones."""

import asyncio
import contextlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodPhase
from kubernetes_asyncio.client.exceptions import ApiException

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
