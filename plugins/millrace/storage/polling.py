"""Bounded polling of what other processes write or do; for Airflow's side, since the images lack tenacity."""

from collections.abc import Callable
from typing import TypeVar

import tenacity

T = TypeVar("T")


def poll(
    look: Callable[[], T], *, until: Callable[[T], bool] = bool, every_seconds: float, at_most_seconds: float
) -> T:
    """Call ``look`` until its result satisfies ``until`` or ``at_most_seconds`` have passed; return the last result."""
    look_again = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: not until(found)),
        wait=tenacity.wait_fixed(every_seconds),
        stop=tenacity.stop_after_delay(at_most_seconds),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    return look_again(look)
