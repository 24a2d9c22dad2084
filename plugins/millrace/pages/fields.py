"""Query parameters: their limits, which calendars and both databases accept, and the row that a repeat chooses."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import HTTPException, Query, Request

from millrace.ledger.database import Row

PAGE_ROWS = 50
"""Rows of one page of a table."""

LARGEST = 2**31 - 1
"""Largest value of an integer column."""

Repeat = Annotated[int | None, Query(ge=0, le=LARGEST)]
"""Query parameter with a run's repeat; None is the newest."""

Day = Annotated[date, Query(ge=date(1970, 1, 1), le=date(2999, 12, 31))]
"""Query parameter with a day, from 1970 to 2999: date arithmetic overflows near the limits of Python's calendar."""


def of_repeat(rows: Sequence[Row], repeat: int | None) -> Row | None:
    """Return the row of a repeat, or the newest one, from a run's rows, newest first; None if there is none."""
    return next((row for row in rows if repeat in (None, row["repeat"])), None)


def no_nul(request: Request) -> None:
    """Raise HTTP 422 for an address with NUL, which PostgreSQL does not accept in text."""
    if any("\0" in text for pair in request.query_params.multi_items() for text in pair):
        raise HTTPException(422, "An address has no NUL in it")
