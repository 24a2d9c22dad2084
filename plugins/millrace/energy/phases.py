"""Resource use of each phase of a step."""

from dataclasses import dataclass

from millrace.contracts.measurement import Phase


@dataclass(frozen=True)
class Mark:
    """A meter's totals at one moment, since its start."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    joules: float | None = None
    seen_seconds: float = 0.0

    def since(self, start: "Mark") -> "Mark":
        """Return the use between two marks. Joules unknown at the start count as 0, since they begin at 0."""
        return Mark(
            max(0.0, self.wall_seconds - start.wall_seconds),
            max(0.0, self.cpu_seconds - start.cpu_seconds),
            None if self.joules is None else max(0.0, self.joules - (start.joules or 0.0)),
            max(0.0, self.seen_seconds - start.seen_seconds),
        )

    def plus(self, other: "Mark") -> "Mark":
        """Return the sum of both; joules are None if one of them has none."""
        return Mark(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            None if self.joules is None or other.joules is None else self.joules + other.joules,
            self.seen_seconds + other.seen_seconds,
        )


class Phases:
    """Resource use by phase. A phase lasts until the next one begins; a phase that begins again is continued."""

    def __init__(self) -> None:
        self._ended: dict[Phase, Mark] = {}
        self._open: tuple[Phase, Mark] | None = None

    def begin(self, phase: Phase, now: Mark) -> None:
        """End the current phase and begin this one."""
        self._ended = self.until(now)
        self._open = (phase, now)

    def until(self, now: Mark) -> dict[Phase, Mark]:
        """Return the use of each phase so far, in the order in which they began."""
        found = dict(self._ended)
        if self._open is not None:
            phase, start = self._open
            used = now.since(start)
            found[phase] = found[phase].plus(used) if phase in found else used
        return found
