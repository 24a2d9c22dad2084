from datetime import date, timedelta

import pytest

from millrace.contracts.data import Window
from millrace.sizing.parts import MOST_PARTS, PART_BYTES, divide, suggested

FIRST = date(2026, 3, 1)


def days(*sizes: int | None) -> tuple[Window, dict[date, int]]:
    """A window of as many days, and what arrived on each."""
    window = Window(first=FIRST, last=FIRST + timedelta(days=len(sizes) - 1))
    return window, {day: size for day, size in zip(window.days, sizes, strict=True) if size is not None}


def shares(sizes: list[int | None], parts: int) -> list[list[int | None]]:
    """The sizes of each part's days; every day is in one part, in order."""
    window, arrived = days(*sizes)
    found = divide(window, arrived, parts)
    assert [day for part in found for day in part.days] == window.days
    return [[arrived.get(day) for day in part.days] for part in found]


@pytest.mark.parametrize(
    ("sizes", "parts", "expected"),
    [
        ([5, 5], 2, [[5], [5]]),
        ([5, 5], 1, [[5, 5]]),
        ([5], 4, [[5]]),
        ([10, 1, 10], 2, [[10], [1, 10]]),
        ([1, 1, 1, 9], 2, [[1, 1, 1], [9]]),
        ([None, 90, None], 3, [[None, 90, None]]),
        ([None, 5, None, None, 5, None], 2, [[None, 5, None, None], [5, None]]),
        ([None, None], 2, [[None, None]]),
        ([7, 0], 1, [[7, 0]]),
        ([0, 0], 2, [[0, 0]]),
    ],
)
def test_whole_days_in_parts_of_about_the_same_bytes(
    sizes: list[int | None], parts: int, expected: list[list[int | None]]
) -> None:
    assert shares(sizes, parts) == expected


def test_no_part_holds_more_than_its_share_and_one_day() -> None:
    sizes = [(number * 37) % 101 + 1 for number in range(60)]
    for parts in range(1, 65):
        found = shares(sizes, parts)
        assert len(found) <= min(parts, len(sizes))
        assert max(sum(filter(None, part)) for part in found) <= sum(sizes) / parts + max(sizes)


@pytest.mark.parametrize(
    ("size_bytes", "most", "parts"),
    [
        (0, 8, 1),
        (PART_BYTES, 8, 1),
        (PART_BYTES + 1, 8, 2),
        (100 * PART_BYTES, 8, 8),
        (100 * PART_BYTES, 64, MOST_PARTS),
    ],
)
def test_the_arrivals_size_says_how_many_parts(size_bytes: int, most: int, parts: int) -> None:
    assert suggested(size_bytes, most) == parts
