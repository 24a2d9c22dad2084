"""What is wrong with a declared workload and how to mend it: each mistake with its place, all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Place = tuple[str | int, ...]
_ALIKE = 0.6


@dataclass(frozen=True)
class Mistake:
    """``place`` leads from the document that is judged to the wrong value, such as ("columns", 3, "type")."""

    place: Place
    what: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        where = written(self.place) or "the whole"
        return f"{self.what}\n  where:  {where}\n  rule:   {self.rule}\n  remedy: {self.remedy}"


class MistakesError(ValueError):
    """A document that breaks rules of its own; ``found`` holds every mistake."""

    def __init__(self, found: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, found)))
        self.found = found


def written(place: Place) -> str:
    """A place as Python writes it: ``dataset.columns[3].type``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known word that somebody may have meant; None where none is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(str(word).lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[near[0]] if near else None


def meant(word: object, known: Iterable[str], otherwise: str) -> str:
    """The remedy for a word that is unknown."""
    near = closest(word, known)
    return f"did you mean {near}?" if near else otherwise
