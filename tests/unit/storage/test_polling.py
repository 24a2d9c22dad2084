"""Polling ends with the last result, whether it is what was waited for or not."""

import pytest

from millrace.storage.polling import poll


def test_the_last_result_is_returned_when_it_is_wanted_or_time_is_over() -> None:
    found = iter(range(9))
    assert poll(lambda: next(found), until=lambda each: each == 3, every_seconds=0.0, at_most_seconds=9.0) == 3
    assert poll(lambda: 0, every_seconds=0.0, at_most_seconds=0.0) == 0


def test_an_error_ends_it() -> None:
    def look() -> bool:
        raise KeyError("away")

    with pytest.raises(KeyError):
        poll(look, every_seconds=0.0, at_most_seconds=9.0)
