"""Division of a run's days into windows, which mapped ingest tasks read in parallel."""

import math
from collections.abc import Mapping
from datetime import date, timedelta

from millrace.contracts.data import Window

# Bytes per ingest task: several seconds of reading, which outweigh the start of a pod (INGEST_START_SECONDS).
PART_BYTES = 512 << 20
MOST_PARTS = 16


def suggested(size_bytes: int, most: int) -> int:
    """Return the number of windows for ``size_bytes`` of arrivals: one per 512 MiB, at most ``most`` and 16."""
    return max(1, min(math.ceil(size_bytes / PART_BYTES), most, MOST_PARTS))


def divide(window: Window, arrived: Mapping[date, int], parts: int) -> list[Window]:
    """Split the window into at most ``parts`` consecutive windows of about the same bytes.

    A day is never split, and each window has a day with arrivals if any day has; ``arrived`` is bytes by day.
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
