"""What each phase of a step used."""

from dataclasses import dataclass

from millrace.contracts.measurement import Phase


@dataclass(frozen=True)
class Mark:
    """Where a meter stands: everything since its start."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    joules: float | None = None
    seen_seconds: float = 0.0

    def since(self, start: "Mark") -> "Mark":
        """What was used between two marks. Joules begin at 0, so that unknown at the start is 0 once they are known."""
        return Mark(
            max(0.0, self.wall_seconds - start.wall_seconds),
            max(0.0, self.cpu_seconds - start.cpu_seconds),
            None if self.joules is None else max(0.0, self.joules - (start.joules or 0.0)),
            max(0.0, self.seen_seconds - start.seen_seconds),
        )

    def plus(self, other: "Mark") -> "Mark":
        """Both together; joules are unknown where those of one are."""
        return Mark(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            None if self.joules is None or other.joules is None else self.joules + other.joules,
            self.seen_seconds + other.seen_seconds,
        )


class Phases:
    """One phase lasts until the next one begins, so that no moment is in two; a phase that comes again goes on."""

    def __init__(self) -> None:
        self._ended: dict[Phase, Mark] = {}
        self._open: tuple[Phase, Mark] | None = None

    def begin(self, phase: Phase, now: Mark) -> None:
        """The phase that was open ends, and this one begins."""
        self._ended = self.until(now)
        self._open = (phase, now)

    def until(self, now: Mark) -> dict[Phase, Mark]:
        """What each phase used so far, in the order in which they began."""
        found = dict(self._ended)
        if self._open is not None:
            phase, start = self._open
            used = now.since(start)
            found[phase] = found[phase].plus(used) if phase in found else used
        return found
