"""Mistakes in a declared workload, each with its place and remedy; all are reported at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Place = tuple[str | int, ...]
_ALIKE = 0.6


@dataclass(frozen=True)
class Mistake:
    """A mistake; ``place`` is the path from the checked document to the wrong value, such as ("columns", 3, "type")."""

    place: Place
    what: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        where = written(self.place) or "the whole"
        return f"{self.what}\n  where:  {where}\n  rule:   {self.rule}\n  remedy: {self.remedy}"


class MistakesError(ValueError):
    """A document violates its rules; ``found`` has every mistake."""

    def __init__(self, found: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, found)))
        self.found = found


def written(place: Place) -> str:
    """Format a place as Python writes it: ``dataset.columns[3].type``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def closest(word: object, known: Iterable[str]) -> str | None:
    """Return the known word that is most similar to ``word``; None if none is similar."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[near[0]] if near else None


def meant(word: object, known: Iterable[str], otherwise: str) -> str:
    """Return the remedy for an unknown word: the most similar known one, or ``otherwise``."""
    near = closest(word, known)
    return f"did you mean {near}?" if near else otherwise
