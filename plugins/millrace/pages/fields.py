"""What an address may say: values that calendars and both databases take."""

from datetime import date
from typing import Annotated

from fastapi import HTTPException, Query, Request

LARGEST = 2**31 - 1
"""The largest whole number of a column."""

Day = Annotated[date, Query(ge=date(1970, 1, 1), le=date(2999, 12, 31))]
"""A day; beyond these calendars overflow."""


def no_nul(request: Request) -> None:
    """422 for an address with NUL, which PostgreSQL takes in no text."""
    if any("\0" in text for pair in request.query_params.multi_items() for text in pair):
        raise HTTPException(422, "An address has no NUL in it")
