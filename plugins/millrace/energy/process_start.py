"""Identity of a process by its id and its start relative to the machine's boot, independent of clock changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_TOLERANCE_SECONDS = 1.0  # the kernel gives the boot time in whole seconds


def began_seconds(process: psutil.Process) -> float:
    """Return the seconds from the machine's boot to the process's start. Raises psutil.Error."""
    return round(process.create_time() - psutil.boot_time(), 2)  # clock ticks are hundredths


def boot() -> str:
    """Return the id of the machine's boot; empty if the kernel has none."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def remembered(process: psutil.Process) -> dict[str, Any]:
    """Return the process's identity, to be stored in a file for ``recalled``. Raises psutil.Error."""
    return {"pid": process.pid, "began_seconds": began_seconds(process), "boot": boot()}


def recalled(known: Mapping[str, Any]) -> psutil.Process | None:
    """Return the process if it still runs; None also if another process has its id now.

    Raises KeyError, ValueError or TypeError if ``known`` is not from ``remembered``.
    """
    try:
        process = psutil.Process(int(known["pid"]))
        if "created_at" in known:  # format of older files
            same = abs(process.create_time() - float(known["created_at"])) < _TOLERANCE_SECONDS
        else:
            began = abs(began_seconds(process) - float(known["began_seconds"])) < _TOLERANCE_SECONDS
            same = began and known["boot"] == boot()
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
