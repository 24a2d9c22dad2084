"""A process by its id and its start, counted from the machine's: a clock that is set moves neither."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE_SECONDS = 1.0  # the kernel gives the machine's start in whole seconds


def began_seconds(process: psutil.Process) -> float:
    """From the machine's start to the process's. Raises psutil.Error."""
    return round(process.create_time() - psutil.boot_time(), 2)  # clock ticks are hundredths


def boot() -> str:
    """Names the machine's start; empty where the kernel does not."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def remembered(process: psutil.Process) -> dict[str, Any]:
    """What a file says of a process, so that ``recalled`` finds it. Raises psutil.Error."""
    return {"pid": process.pid, "began_seconds": began_seconds(process), "boot": boot()}


def recalled(known: Mapping[str, Any]) -> psutil.Process | None:
    """The process, if it still runs; an id that was given to another one does not count.

    Raises KeyError, ValueError and TypeError for what ``remembered`` has not made.
    """
    try:
        process = psutil.Process(int(known["pid"]))
        if "created_at" in known:  # as files before said it
            same = abs(process.create_time() - float(known["created_at"])) < _TOLERANCE_SECONDS
        else:
            began = abs(began_seconds(process) - float(known["began_seconds"])) < _TOLERANCE_SECONDS
            same = began and known["boot"] == boot()
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
