"""Columns' names in errors, which have an end however many there are and however long they are."""

from collections.abc import Iterable
from itertools import islice

_MOST_NAMES = 20
_LONGEST_NAME = 100


def shown(name: str) -> str:
    """The name in quotes, its first hundred characters."""
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…")


def listed(names: Iterable[str]) -> str:
    """The first twenty names, and how many there are more."""
    rest = iter(names)
    first = [shown(name) for name in islice(rest, _MOST_NAMES)]
    more = sum(1 for _ in rest)
    return f"[{', '.join(first)}{f' and {more:,} more' if more else ''}]"
