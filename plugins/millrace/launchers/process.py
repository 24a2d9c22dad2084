"""Run a step as a process on this machine, in its image's Python environment."""

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import psutil

from millrace.contracts.errors import BadInputError, TransientError
from millrace.contracts.run_spec import SPEC_FILE, RunSpec, ServeTask
from millrace.energy import process_start
from millrace.storage import files, packaged

log = logging.getLogger(__name__)

LOG_FILE = "log.txt"
_PROCESS_FILE = "process.json"
_POLL_SECONDS = 0.1
_KILLED_SECONDS = 5.0
_MAKE_ENVIRONMENTS = (
    "run `make setup` (`make .venvs/spark/.synced` for spark), or set MILLRACE_ENVIRONMENTS"
    if packaged.IS_CHECKOUT
    else f"set MILLRACE_ENVIRONMENTS to a folder with an environment for each folder of {packaged.IMAGES} that a run "
    "needs, made from its requirements.txt (docs/operate/install.md), such as a checkout's .venvs after `make setup`"
)
_PASSED_ON = ("PATH", "JAVA_HOME", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "CUDA_VISIBLE_DEVICES")
_PASSED_ON_PREFIXES = ("AWS_", "HADOOP_", "KRB5", "KERAS_", "TF_", "OMP_")


@dataclass(frozen=True)
class Ended:
    """How a step's process ended: ``exit_code`` is negative after a signal, as in subprocess."""

    exit_code: int
    process_uid: str


@dataclass
class ProcessLauncher:
    """Launcher that starts ``python -m millrace_<image>`` with only that image's package and Millrace's on its path.

    Each run and step has one process: it inherits the lock on ``<state>/lock`` and holds it while it lives, even if its
    supervisor is killed. An attempt that finds the lock taken first ends the process that holds it. Lock and log are
    always on this machine: below ``scratch`` if the run's folders are in another store. A step runs as ``step_user``
    and a model server as ``server_user``, if set, without the supervisor's rights; the store is then not local files.
    """

    repository: Path
    environments: Path
    scratch: Path
    stop_grace_seconds: float
    step_user: str = ""
    server_user: str = ""

    def run(self, image: str, spec: RunSpec, on_line: Callable[[str], None]) -> Ended:
        """Run the step to its end and pass each line that it prints to ``on_line``.

        Raises TransientError if the process of an earlier attempt cannot be ended.
        """
        attempt, state = self.folder(spec.attempt_uri), self.folder(spec.state_uri)
        attempt.mkdir(parents=True, exist_ok=True)
        state.mkdir(parents=True, exist_ok=True)
        with (state / "lock").open("a") as lock:
            self._take(lock, state)
            process = self._start(image, spec, attempt, lock.fileno(), spec.document)
            uid = _remember(process.pid, state)
            try:
                exit_code = _follow(process, attempt / LOG_FILE, on_line)
            except BaseException:
                self._end(process.pid)
                raise
        return Ended(exit_code, uid)

    def answer(self, image: str, module: str, question: str) -> str:
        """Run a module of the image with ``question`` on its standard input and return its standard output.

        Raises BadInputError with the last line of its standard error if it fails.
        """
        done = subprocess.run(
            [str(self._python(image)), "-m", f"millrace_{image}.{module}"],
            input=question, env=self._environment(image), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BadInputError(
                (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1],
                where=f"millrace_{image}.{module}",
                rule="it answers what it is asked",
                remedy="see above; its whole output is longer when it is run by hand",
            )
        return done.stdout

    def start_service(self, image: str, spec: RunSpec, document: bytes, arguments: Sequence[str]) -> int:
        """Start a service in its own session, without waiting for it; return its process id.

        ``document`` is the step spec as bytes (signed), and ``arguments`` are further command-line arguments. Airflow
        ends a task's whole process group, and a service must outlive the task that started it.
        """
        attempt, state = self.folder(spec.attempt_uri), self.folder(spec.state_uri)
        attempt.mkdir(parents=True, exist_ok=True)
        state.mkdir(parents=True, exist_ok=True)
        with (state / "lock").open("a") as lock:
            self._take(lock, state)
            process = self._start(image, spec, attempt, lock.fileno(), document, arguments)
            _remember(process.pid, state)
        return process.pid

    def stop_service(self, state_uri: str) -> bool:
        """Stop the service of this state folder; return False if none runs."""
        holder = _holder(self.folder(state_uri))
        if holder is None:
            return False
        self._end(holder.pid)
        return True

    def service_running(self, state_uri: str) -> bool:
        """Return whether the service of this state folder runs."""
        return self.service_pid(state_uri) is not None

    def service_pid(self, state_uri: str) -> int | None:
        """Return the process id of the service of this state folder; None if it does not run."""
        holder = _holder(self.folder(state_uri))
        return None if holder is None else holder.pid

    def at_work(self, attempt_uri: str) -> str | None:
        """Return the unique id of the process that runs this attempt's step spec; None if there is none."""
        process = _working_on(attempt_uri)
        return None if process is None else _uid(process_start.remembered(process))

    def end(self, attempt_uri: str) -> None:
        """Send SIGTERM to the process of this attempt, so that it saves a checkpoint; after the grace period SIGKILL.

        Returns after the process has ended.
        """
        process = _working_on(attempt_uri)
        if process is not None:
            self._end(process.pid)

    def folder(self, uri: str) -> Path:
        """Return the local folder for a run's folder: itself if it is local, else one below ``scratch``."""
        if uri.startswith("file://"):
            return files.local_path(uri)
        parts = urlsplit(uri)
        return self.scratch / parts.scheme / parts.netloc / unquote(parts.path).lstrip("/")

    def _python(self, environment: str) -> Path:
        python = self.environments / environment / "bin" / "python"
        if not python.exists():
            raise BadInputError(
                f"the environment of images/{environment} is not there",
                where=str(python),
                rule="each image has an environment, made from its requirements.txt",
                remedy=_MAKE_ENVIRONMENTS,
            )
        return python

    def _packages(self) -> Path:
        """Return a folder with Millrace's package only; site-packages would add the libraries of Airflow."""
        return self.repository / "plugins" if packaged.IS_CHECKOUT else packaged.link_package(self.scratch / "packages")

    def _environment(self, image: str) -> dict[str, str]:
        path = os.pathsep.join([str(self._packages()), str(self.repository / "images" / image)])
        variables = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
        }
        fixed = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}  # a crash writes its traceback to the log
        return {**variables, **fixed, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}

    def _start(
        self, image: str, spec: RunSpec, attempt: Path, lock: int, document: bytes, arguments: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        python = self._python(spec.variant or image)
        user = self.server_user if isinstance(spec.task, ServeTask) else self.step_user
        uri = files.join(spec.attempt_uri, SPEC_FILE)
        files.write_bytes(uri, document)
        with (attempt / LOG_FILE).open("ab") as output:
            return subprocess.Popen(
                [*_as(user), str(python), "-m", f"millrace_{image}", "--spec", uri, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=tempfile.gettempdir() if user else attempt,  # another user may not enter the attempt's folder
                env=self._environment(image),
                start_new_session=True,
                pass_fds=(lock,),
            )

    def _take(self, lock: IO[str], state: Path) -> None:
        deadline = time.monotonic() + self.stop_grace_seconds + 10
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                holder = _holder(state)
            if holder is not None:
                log.info("an earlier try's process %d still runs: ending it first", holder.pid)
                self._end(holder.pid)
            if time.monotonic() > deadline:
                raise TransientError(
                    "an earlier try's process cannot be ended",
                    where=str(state / _PROCESS_FILE),
                    rule="one process for each run and step",
                    remedy="end that process by hand, then let the task be retried",
                )
            time.sleep(_POLL_SECONDS)

    def _end(self, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            _signal(process, signal.SIGTERM)
            process.wait(self.stop_grace_seconds)
        except (psutil.NoSuchProcess, ProcessLookupError):
            return
        except psutil.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, psutil.TimeoutExpired):
                _signal(process, signal.SIGKILL)
                process.wait(_KILLED_SECONDS)


def _as(user: str) -> list[str]:
    """Return the command prefix that runs a command as this user, without supplementary groups; empty for no user."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"] if user else []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to the process's group, as the process's user if this user lacks permission."""
    try:
        os.killpg(process.pid, number)
    except PermissionError:
        kill = ["sh", "-c", f"kill -s {int(number)} -- -{process.pid}"]
        subprocess.run([*_as(str(process.uids().real)), *kill], stderr=subprocess.DEVNULL, check=False)


def _remember(pid: int, state: Path) -> str:
    try:
        known = process_start.remembered(psutil.Process(pid))
    except psutil.NoSuchProcess:  # it has ended already
        known = {"pid": pid, "began_seconds": time.monotonic(), "boot": process_start.boot()}
    (state / _PROCESS_FILE).write_text(json.dumps(known))
    return _uid(known)


def _uid(known: Mapping[str, Any]) -> str:
    return f"{os.uname().nodename}:{known['boot'][:8]}:{known['pid']}:{known['began_seconds']:.2f}"


def _working_on(attempt_uri: str) -> psutil.Process | None:
    """Return the running process that was started with this attempt's step spec.

    It is a session leader; processes that it forked have the same command line and are not.
    """
    given = ["--spec", files.join(attempt_uri, SPEC_FILE)]
    for process in psutil.process_iter(["cmdline", "status"]):
        if (process.info["cmdline"] or [])[-2:] == given and process.info["status"] != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(process.pid) == process.pid:
                    return process
    return None


def _holder(state: Path) -> psutil.Process | None:
    """Return the running process that this folder records; None if its process id was reused by another process."""
    try:
        return process_start.recalled(json.loads((state / _PROCESS_FILE).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _follow(process: subprocess.Popen[bytes], output: Path, on_line: Callable[[str], None]) -> int:
    with output.open("rb") as stream:
        tail = b""
        while True:
            ended = process.poll()
            while piece := stream.read(1 << 16):
                *lines, tail = (tail + piece).split(b"\n")
                for line in lines:
                    on_line(line.decode(errors="replace"))
            if ended is not None:
                if tail:
                    on_line(tail.decode(errors="replace"))
                return ended
            time.sleep(_POLL_SECONDS)
