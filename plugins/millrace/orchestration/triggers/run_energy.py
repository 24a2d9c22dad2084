"""Trigger that waits until Prometheus has scraped the newest run's end."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class RunEnergyTrigger(BaseTrigger):
    """Fires once at ``at`` (Unix seconds); it holds no URL or password, since the task itself queries Prometheus."""

    def __init__(self, at: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.at = at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return this class's path and ``at``."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"at": self.at}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event at the time ``at``."""
        await asyncio.sleep(max(0.0, self.at - time.time()))
        yield TriggerEvent({"at": self.at})  # type: ignore[no-untyped-call]
