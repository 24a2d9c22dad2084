"""``python -m millrace.cli.local_components``: run Airflow's components on one machine with a shared folder of logs.

It replaces `airflow standalone`, whose scheduler and triggerer serve logs on every address of the machine and which
does not restart a component that ended. No log server runs here: the API server reads logs from the folder.
"""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_COMPONENTS: tuple[tuple[str, ...], ...] = (
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("api-server",),
    ("triggerer", "--skip-serve-logs"),
)
_RESTARTED_AFTER_SECONDS = 60.0  # a component that ends sooner is not restarted: it would end again
_STOP_SECONDS = 5.0  # `make down` signals the whole group; a second SIGTERM would interrupt a component's shutdown
_POLL_SECONDS = 0.5


def run(airflow: str) -> int:
    """Migrate Airflow's database and keep the components running until SIGTERM; return the exit code.

    A component that ends after at least a minute is restarted. If one ends sooner, all are stopped and the code is 1.
    """
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    subprocess.run([airflow, "db", "migrate"], check=True)
    running: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], float]] = {}
    try:
        for component in _COMPONENTS:
            running[component] = _start(airflow, component)
        while not asked.wait(_POLL_SECONDS):
            for component, (process, started) in running.items():
                code = process.poll()
                if code is None:
                    continue
                soon = time.monotonic() - started < _RESTARTED_AFTER_SECONDS
                effect = "all end" if soon else "it starts again"
                print(f"Airflow's {component[0]} ended with code {code}: {effect}", flush=True)  # noqa: T201 - the log
                if soon:
                    return 1
                running[component] = _start(airflow, component)
        return 0
    finally:
        _end([process for process, _ in running.values()], signalled=asked.is_set())


def _start(airflow: str, component: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], float]:
    return subprocess.Popen([airflow, *component]), time.monotonic()


def _end(processes: list[subprocess.Popen[bytes]], *, signalled: bool) -> None:
    deadline = time.monotonic() + (_STOP_SECONDS if signalled else 0)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


if __name__ == "__main__":
    sys.exit(run(str(Path(sys.executable).with_name("airflow"))))
