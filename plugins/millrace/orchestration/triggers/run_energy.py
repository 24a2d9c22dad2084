"""Waits until Prometheus has scraped what the newest run did last."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class RunEnergyTrigger(BaseTrigger):
    """Fires once at ``at`` (Unix seconds). It holds no URL and no password: the task asks."""

    def __init__(self, at: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.at = at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """By its own path."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"at": self.at}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event."""
        await asyncio.sleep(max(0.0, self.at - time.time()))
        yield TriggerEvent({"at": self.at})  # type: ignore[no-untyped-call]
