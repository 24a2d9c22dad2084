"""Start and stop Airflow on this machine: LocalExecutor, SQLite, its UI on the loopback address."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from millrace.contracts.errors import AirflowDidNotStartError
from millrace.energy import process_start
from millrace.storage import packaged

# folder of airflow_local_settings.py, a module that Airflow imports by that name
_LOCAL_SETTINGS = Path(__file__).resolve().with_name("embedded_airflow")
_START_TIMEOUT_SECONDS = 600  # for a busy machine; a process that ends is detected at once
_STOP_TIMEOUT_SECONDS = 40


def dags_folder() -> Path:
    """Return the checkout's DAGs; with an installed wheel the configured folder, else ``dags`` in AIRFLOW_HOME."""
    if packaged.IS_CHECKOUT:
        return packaged.DAGS
    named = os.environ.get("AIRFLOW__CORE__DAGS_FOLDER")
    return Path(named or Path(os.environ.get("AIRFLOW_HOME", "~/airflow"), "dags")).expanduser()


@dataclass(frozen=True)
class LocalAirflow:
    """Airflow whose files are in ``home``. ``dags`` defaults to ``dags_folder()``.

    ``port`` serves the UI and the API; Airflow's components listen on no other port.
    """

    home: Path
    port: int = 8080
    dags: Path = field(default_factory=dags_folder)

    @property
    def url(self) -> str:
        """URL of the UI and the REST API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """File with the output of Airflow's components."""
        return self.home / "airflow.log"

    def environment(self) -> dict[str, str]:
        """Return the environment variables for an Airflow command of this home.

        A variable that is already set keeps its value, except PATH (extended), PYTHONPATH (extended), MILLRACE_HOME and
        AIRFLOW_HOME.
        """
        home = self.home / "airflow"
        ours = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # number of workers that the scheduler forks; Airflow's default is 32
            "AIRFLOW__CORE__PARALLELISM": "6",
            # a task is forked from the scheduler and inherits the modules that the plugin imported there
            "AIRFLOW__CORE__LAZY_LOAD_PLUGINS": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
            # a task whose supervisor was killed is retried after 30 s instead of five minutes
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
            # Airflow 3.3 may notice a task's end only at the supervisor's next heartbeat, and treats a deferred task
            # that was resumed before it as lost
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__WORKERS__API_RETRIES": "10",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secret(),
            "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "millrace.cli.shared_logs.LOGGING_CONFIG",
            "MILLRACE_HOME": str(self.home),
        }
        packages = os.environ.get("PYTHONPATH", "")
        if packaged.IS_CHECKOUT:  # an installed plugin has an entry point
            ours["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(packaged.ROOT / "plugins")
            packages = packages or str(packaged.ROOT / "plugins")
        always = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(_LOCAL_SETTINGS), packages])),
            "MILLRACE_HOME": str(self.home),
            "AIRFLOW_HOME": str(home),
        }
        return {**ours, **os.environ, **always}

    def up(self) -> bool:
        """Start Airflow and wait until its components are healthy; return False if it already runs.

        Raises AirflowDidNotStartError, with the log's path, if it does not become healthy, or if the port is taken.
        """
        if self._running() is not None:
            return False
        if _taken(self.port):
            raise AirflowDidNotStartError(
                f"Port {self.port} of 127.0.0.1 is taken by another program. Remedy: make up PORT=<another one>."
            )
        self._make_private()
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "millrace.cli.local_components"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                start_new_session=True,
                umask=0o077,
            )
        known = process_start.remembered(psutil.Process(process.pid))
        self._pid_file.write_text(json.dumps(known | {"port": self.port}))
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while not healthy(self.url):
            if process.poll() is not None or time.monotonic() > deadline:
                self.down()
                raise AirflowDidNotStartError(f"Airflow did not come up. Its log, {self.log}, says why.")
            time.sleep(0.3)
        return True

    def down(self) -> list[int]:
        """Stop Airflow, the steps and the model servers of this home; return the ids of the stopped processes."""
        ended = []
        running = self._running()
        if running is not None:
            ended.append(running.pid)
            _end_group(running)
            self._pid_file.unlink(missing_ok=True)
        for process in list(self._steps()):
            ended.append(process.pid)
            _end_group(process)
        return ended

    def processes(self) -> dict[int, str]:
        """Return a description, by process id, of each process that ``down`` would stop."""
        running = self._running()
        found = {} if running is None else {running.pid: "Airflow"}
        return found | {process.pid: _described(process) for process in self._steps()}

    def password(self) -> str:
        """Return the password that Airflow generated for the user admin."""
        file = self.home / "airflow" / "simple_auth_manager_passwords.json.generated"
        return str(json.loads(file.read_text())["admin"])

    @property
    def _pid_file(self) -> Path:
        return self.home / "airflow.pid.json"

    def _running(self) -> psutil.Process | None:
        try:
            return process_start.recalled(json.loads(self._pid_file.read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _steps(self) -> Iterator[psutil.Process]:
        """Yield steps and model servers: each runs in its own session, in a folder below this home."""
        home = self.home.resolve()
        for process in psutil.process_iter(["cmdline", "cwd"]):
            place = process.info["cwd"]
            if "--spec" in (process.info["cmdline"] or []) and place and Path(place).is_relative_to(home):
                yield process

    def _make_private(self) -> None:
        """Make the home readable by its owner only: it has passwords, a log that contains one, databases and data."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)

    def _secret(self) -> str:
        """Return the JWT secret of this home; it is created at first use, readable by its owner only."""
        file = self.home / "jwt-secret"
        if not file.exists():
            self._make_private()
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(48))
        return file.read_text()


def _described(process: psutil.Process) -> str:
    place = Path(process.info["cwd"])
    if place.parent.name == "serving":
        try:
            task = json.loads((place / "spec.json").read_text())["task"]
            scheme = "https" if task.get("tls") else "http"
            return f"model server of {place.name} at {scheme}://{task['host']}:{task['port']}"
        except (OSError, ValueError, KeyError, TypeError):
            return f"model server of {place.name}"
    return f"step in {place}"


def healthy(url: str) -> bool:
    """Return whether Airflow's API answers and reports database, scheduler, DAG processor and triggerer as healthy."""
    import httpx  # takes 0.2 s, and few commands need it

    try:
        health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end_group(leader: psutil.Process) -> None:
    members = [leader, *leader.children(recursive=True)]
    for end in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader.pid, end)
        _, members = psutil.wait_procs(members, timeout=_STOP_TIMEOUT_SECONDS)
        if not members:
            return
