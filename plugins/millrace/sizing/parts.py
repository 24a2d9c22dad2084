"""How the days of a run are divided between tasks that ingest them side by side."""

import math
from collections.abc import Mapping
from datetime import date, timedelta

from millrace.contracts.data import Window

# A part reads for several seconds and so is worth a pod's start (INGEST_START_SECONDS).
PART_BYTES = 512 << 20
MOST_PARTS = 16


def suggested(size_bytes: int, most: int) -> int:
    """Parts for arrivals of that size: one for each 512 MiB, ``most`` of them or 16 at most."""
    return max(1, min(math.ceil(size_bytes / PART_BYTES), most, MOST_PARTS))


def divide(window: Window, arrived: Mapping[date, int], parts: int) -> list[Window]:
    """The window in at most so many windows, one after the other, of about the same bytes.

    A day is never cut, and each window has a day with arrivals, if any day has; ``arrived`` is bytes by day.
    """
    total_bytes = sum(arrived.values()) or 1
    firsts, before_bytes, last_part = [window.first], 0, None
    for day in sorted(arrived):
        part = min(parts - 1, int((before_bytes + arrived[day] / 2) * parts / total_bytes))
        if last_part is not None and part > last_part:
            firsts.append(day)
        last_part = part
        before_bytes += arrived[day]
    lasts = [*(first - timedelta(days=1) for first in firsts[1:]), window.last]
    return [Window(first=first, last=last) for first, last in zip(firsts, lasts, strict=True)]
