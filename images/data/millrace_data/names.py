"""Column names for error messages, limited in number and length."""

from collections.abc import Iterable
from itertools import islice

_MOST_NAMES = 20
_LONGEST_NAME = 100


def shown(name: str) -> str:
    """Return the name in quotes, cut to 100 characters."""
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…")


def listed(names: Iterable[str]) -> str:
    """Return the first twenty names and the number of the others."""
    rest = iter(names)
    first = [shown(name) for name in islice(rest, _MOST_NAMES)]
    more = sum(1 for _ in rest)
    return f"[{', '.join(first)}{f' and {more:,} more' if more else ''}]"
