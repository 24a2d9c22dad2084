"""Start a separate process that ends a task's processes and pods (see millrace.runs.stopping).

It outlives its caller: Airflow gives a task five seconds after SIGTERM, and a trigger half a minute, but a checkpoint
may take longer.
"""

import subprocess
import sys

from millrace.settings import Settings

STOPPED = "its task was ended in Airflow"
DELETED = "its run was deleted in Airflow"
LOG_FILE = "stops.log"


class TaskStopped(BaseException):
    """Raised within a task's work when Airflow ends the task."""


def stop_try(spec_uri: str, spec_sha256: str, reason: str, settings: Settings) -> None:
    """End the process or pods that work on this step spec and count their use; returns at once."""
    _start(settings, "try", spec_uri, spec_sha256, reason)


def stop_deleted(spec_uri: str, spec_sha256: str, settings: Settings) -> None:
    """Same for the whole run of this step spec, and close the run in the ledger: it was deleted in Airflow."""
    _start(settings, "deleted", spec_uri, spec_sha256)


def stop_task(folder_uri: str, repeat: int, task_id: str, map_index: int, reason: str, settings: Settings) -> None:
    """Same for every attempt of a task in a run's repeat; returns at once."""
    _start(settings, "task", folder_uri, str(repeat), task_id, str(map_index), reason)


def stop_run(folder_uri: str, repeat: int, reason: str, settings: Settings) -> None:
    """Same for all attempts of a run's repeat; returns at once."""
    _start(settings, "run", folder_uri, str(repeat), reason)


def _start(settings: Settings, *arguments: str) -> None:
    # new session: Airflow ends a task's process group; no inherited descriptors: its supervisor waits until they close
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / LOG_FILE).open("ab") as output:
        subprocess.Popen(
            [sys.executable, "-m", "millrace.runs.stopping", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
