"""Has what works for a task ended, by a process that outlives whoever asks for it.

Airflow gives a task five seconds after SIGTERM, and a trigger half a minute; a checkpoint may take longer.
"""

import subprocess
import sys

from millrace.settings import Settings

STOPPED = "its task was ended in Airflow"
DELETED = "its run was deleted in Airflow"
LOG_FILE = "stops.log"


class TaskStopped(BaseException):
    """Raised in the middle of a task's work when Airflow ends the task."""


def stop_try(spec_uri: str, spec_sha256: str, reason: str, settings: Settings) -> None:
    """Have what works on this order ended, and what it used booked; returns at once."""
    _start(settings, "try", spec_uri, spec_sha256, reason)


def stop_deleted(spec_uri: str, spec_sha256: str, settings: Settings) -> None:
    """The same for the whole run that this order belongs to, and have the run closed: Airflow has forgotten it."""
    _start(settings, "deleted", spec_uri, spec_sha256)


def stop_task(folder_uri: str, repeat: int, task_id: str, map_index: int, reason: str, settings: Settings) -> None:
    """The same for every try of a task of a run's repeat; returns at once."""
    _start(settings, "task", folder_uri, str(repeat), task_id, str(map_index), reason)


def stop_run(folder_uri: str, repeat: int, reason: str, settings: Settings) -> None:
    """The same for all that works for a run's repeat; returns at once."""
    _start(settings, "run", folder_uri, str(repeat), reason)


def _start(settings: Settings, *arguments: str) -> None:
    # a session of its own: Airflow ends a task's process group; no descriptor: its supervisor waits until they close
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / LOG_FILE).open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "millrace.runs.stopping", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
