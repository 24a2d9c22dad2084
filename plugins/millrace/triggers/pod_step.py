"""Waits for a step's pod: brisk with short steps, sparing with long ones."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodPhase

# looking adds at most this share to a step's time, within bounds that spare the API server and keep the log flowing
_SHARE = 0.05
_MAX_SECONDS = 5.0
_BRISK_START_SECONDS = 10.0


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
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < _BRISK_START_SECONDS:
            if (await self._get_pod()).status.phase != PodPhase.PENDING:
                break
            await asyncio.sleep(self._least_seconds)
        return await super()._wait_for_pod_start()
