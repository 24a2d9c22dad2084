"""Resource use of a process and all its descendants."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from millrace.energy.process_start import began_seconds

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """Resource use since a process's start: its own and that of the children it has waited for.

    Bytes are those of all read and write calls: storage, network and pipes, cached or not.
    """

    cpu_seconds: float
    read_bytes: int | None
    written_bytes: int | None

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.cpu_seconds + other.cpu_seconds,
            _sum(self.read_bytes, other.read_bytes),
            _sum(self.written_bytes, other.written_bytes),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


@dataclass
class _Seen:
    process: psutil.Process
    usage: Usage
    detached: bool = False

    def parent(self) -> int | None:
        return int(self.process.ppid()) if self.process.is_running() else None

    def resident_bytes(self) -> int:
        return int(self.process.memory_info().rss)


@dataclass
class ProcessTree:
    """This process, its descendants, and those of them whose parent ended first.

    Nothing is counted twice: a child is sampled by itself until its parent has waited for it, and is then part of the
    parent's own values. A descendant whose parent ended first is sampled separately, and its last sampled use stays
    counted.
    """

    root: psutil.Process = field(default_factory=psutil.Process)
    peak_memory_bytes: int = 0
    _seen: dict[tuple[int, float], _Seen] = field(default_factory=dict)

    def sample(self) -> Usage:
        """Sample every process once: return the use so far, and update ``peak_memory_bytes``.

        Peak memory is the larger of the kernel's high-water mark of this process (exact) and the largest sum of
        resident bytes over the processes alive at a sample; pages shared after a fork count once per process.
        Raises psutil.Error if this process itself cannot be read.
        """
        # Parents are read before their children: a child waited for in between is missed once, never counted twice.
        total = _usage(self.root)
        resident_bytes = self.root.memory_info().rss
        alive = {(child.pid, began_seconds(child)): child for child in self._descendants()}
        # the kernel may omit a child while its sibling ends: a process whose parent is alive is still in the tree
        here = {self.root.pid, *(pid for pid, _ in alive), *(pid for pid, _ in self._seen)}
        for key, seen in list(self._seen.items()):
            if key not in alive and not seen.detached and _read(seen.parent, None) in here:
                alive[key] = seen.process
        for key, seen in list(self._seen.items()):
            if key not in alive and not self._follow(seen):
                del self._seen[key]
        for key, child in alive.items():
            self._look(key, child)
        for seen in self._seen.values():
            resident_bytes += _read(seen.resident_bytes, 0)
            total += seen.usage
        self.peak_memory_bytes = max(self.peak_memory_bytes, resident_bytes, _peak_resident_bytes())
        return total

    def _descendants(self) -> list[psutil.Process]:
        found = []
        waiting = [self.root.pid]
        try:
            while waiting:
                for pid in _children(waiting.pop()):
                    waiting.append(pid)
                    with contextlib.suppress(psutil.Error):
                        found.append(psutil.Process(pid))
        except OSError:  # a kernel without these files: psutil scans every process of the machine
            found = self.root.children(recursive=True)
        return [child for child in found if _read(child.create_time, None)]

    def _look(self, key: tuple[int, float], child: psutil.Process) -> None:
        try:
            usage = _usage(child)
        except psutil.Error:
            self._seen.pop(key, None)
            return
        before = self._seen.get(key)
        if before is not None and usage.read_bytes is None:  # a zombie: only its CPU time can be read
            usage = Usage(usage.cpu_seconds, before.usage.read_bytes, before.usage.written_bytes)
        self._seen[key] = _Seen(child, usage)

    def _follow(self, seen: _Seen) -> bool:
        """Return whether a process outside the tree stays counted: it still runs, or was sampled outside the tree."""
        try:
            if seen.process.is_running():
                seen.usage, seen.detached = _usage(seen.process), True
        except psutil.Error:
            pass
        return seen.detached


def _children(pid: int) -> Iterator[int]:
    """Yield child ids from the kernel's list of each thread; a scan of all processes would grow with their number."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return
    own = pid == os.getpid()
    for thread in threads:
        try:
            yield from map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            if own and int(thread.name) == pid:
                raise


def _read(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except psutil.Error:
        return otherwise


def _usage(process: psutil.Process) -> Usage:
    with process.oneshot():
        times = process.cpu_times()
        cpu_seconds = times.user + times.system + times.children_user + times.children_system
    try:
        io = process.io_counters()
        return Usage(cpu_seconds, int(io.read_chars), int(io.write_chars))
    except (psutil.Error, OSError, AttributeError):
        return Usage(cpu_seconds, None, None)


def _peak_resident_bytes() -> int:
    """Return the kernel's high-water mark of this process's memory; 0 if there is none.

    getrusage's value is not used: it starts at the size of the process that launched this one.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return 0
