"""A fresh environment with stock Airflow and the wheel, and a site's own Airflow in it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_TIMEOUT_SECONDS = 600


class Site:
    """An AIRFLOW_HOME of its own, whose Airflow runs from the environment that the wheel was installed into."""

    def __init__(self, environment: Path, home: Path, repository: Path) -> None:
        self.environment, self.home = environment, home
        with ExitStack() as held:
            ports = [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(3)]
        # neither the checkout's path nor its settings; a site that has Airflow as it comes says this much
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "MILLRACE", "PYTHON"))
        }
        self.variables = {
            **kept,
            "PATH": os.pathsep.join([str(environment / "bin"), os.environ["PATH"]]),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": f"{ports[0]}",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports[0]}",
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": f"{ports[1]}",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": f"{ports[2]}",
            "MILLRACE_ENVIRONMENTS": str(repository / ".venvs"),
        }

    def call(self, *command: str, text: str = "") -> str:
        """What a program of the environment prints."""
        done = subprocess.run(
            [str(self.environment / "bin" / command[0]), *command[1:]],
            env=self.variables, cwd=self.home, input=text, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def plugins(self) -> list[dict[str, Any]]:
        """What `airflow plugins` lists."""
        printed = self.call("airflow", "plugins", "--output", "json")
        return list(json.loads(printed[printed.index("[") :])) if "[" in printed else []

    def wait(self, ready: Callable[[], Any], what: str) -> Any:
        """The first answer of ``ready`` that is true; bounded."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            time.sleep(2)
        raise AssertionError(f"{what}: not after {_TIMEOUT_SECONDS} s\n{self.log.read_text()[-5000:]}")

    @property
    def log(self) -> Path:
        """What Airflow's components print."""
        return self.home / "standalone.log"

    @contextmanager
    def running(self) -> Iterator[None]:
        """`airflow standalone`, as it comes, and at the end nothing of it nor of what it started."""
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.environment / "bin" / "airflow"), "standalone"],
                env=self.variables, cwd=self.home, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(40)
            finally:
                self.call("millrace", "down")
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def install(repository: Path) -> Callable[[Path], None]:
    """Makes an environment of the wheel, what it declares, and nothing else; Airflow is the one that is locked."""

    def make(environment: Path) -> None:
        (wheel,) = (repository / ".cache" / "wheel").glob("millrace-*.whl")
        uv = str(repository / ".venvs" / "uv" / "bin" / "uv")
        base = str(repository / ".venv" / "bin" / "python")
        subprocess.run([uv, "venv", "-q", "--python", base, str(environment)], check=True)
        python = ["--python", str(environment / "bin" / "python")]
        subprocess.run(
            [uv, "pip", "install", "-q", *python, "-c", "requirements.txt", str(wheel)], cwd=repository, check=True
        )

    return make


@pytest.fixture(scope="session")
def site(install: Callable[[Path], None], repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("wheel")
    install(folder / "environment")
    (folder / "airflow").mkdir()
    made = Site(folder / "environment", folder / "airflow", repository)
    made.call("airflow", "db", "migrate")
    made.call("millrace", "ledger", "migrate")
    return made
