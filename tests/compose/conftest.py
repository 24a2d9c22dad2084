"""docker-compose.yaml, really brought up, in a project of its own with volumes of its own."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.demonstration.follow import AirflowApi
from millrace.local_airflow import healthy

_PROJECT = "millrace-test"
_UP_SECONDS = 300


class Stack:
    """A running stack, with a client that has logged in."""

    api: AirflowApi

    def __init__(self, repository: Path, tag: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._repository = repository
        ports = {"PORT": f"{self.port}", "MILLRACE_SERVING_PORTS": "28200-28209", "PROMETHEUS_PORT": "29090"}
        self._environment = {**os.environ, **ports, "IMAGE_TAG": tag, "MILLRACE_CEPH_BYTES": f"{4 << 30}"}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def password(self) -> str:
        return str(json.loads(self.secret("airflow/passwords.json"))["admin"])

    def compose(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "compose", "-p", _PROJECT, *words],
            cwd=self._repository, env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def up(self) -> None:
        """As `docker compose up -d` does it, then until every part is well."""
        self.compose("up", "-d")
        self.await_(lambda: healthy(self.url), "Airflow", _UP_SECONDS)
        self.api = AirflowApi(self)

    def secret(self, name: str) -> str:
        service = {"airflow": "api-server", "postgres": "postgres", "s3": "s3"}[name.partition("/")[0]]
        return self.compose("exec", "-T", service, "cat", f"/run/millrace/{name}")

    def containers(self) -> list[dict[str, Any]]:
        names = self.compose("ps", "-aq").split()
        return list(json.loads(subprocess.run(["docker", "inspect", *names], check=True, capture_output=True).stdout))

    def address(self, service: str) -> str:
        """Where a container is reached from this machine, its ports published or not."""
        name = self.compose("ps", "-q", service).strip()
        shape = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found = subprocess.run(["docker", "inspect", "-f", shape, name], check=True, capture_output=True, text=True)
        return found.stdout.strip()

    def sql(self, query: str) -> str:
        """What the ledger's PostgreSQL answers, a line a row."""
        psql = 'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql -h 127.0.0.1 -U millrace -d millrace -At -c "$0"'
        return self.compose("exec", "-T", "postgres", "bash", "-c", psql, query).strip()

    def await_(self, look: Callable[[], Any], what: str, seconds: float) -> Any:
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} after {seconds} s:\n{self.compose('logs', '--tail', '60')[-8000:]}")
            time.sleep(1)
        return seen


@pytest.fixture(scope="session")
def stack(repository: Path) -> Iterator[Stack]:
    tag = os.environ.get("MILLRACE_TEST_STACK")
    if not tag:
        pytest.skip("MILLRACE_TEST_STACK names no tag of images (make stack-images IMAGE_TAG=…)")
    if shutil.which("docker") is None:
        pytest.skip("no docker is here")
    if not (repository / ".cache" / "fetched.txt").exists():
        pytest.skip("the demonstration's wheels are not in .cache: make demo, or millrace demo-material, fetches them")
    stack = Stack(repository, tag)
    try:
        stack.compose("down", "--volumes", "--timeout", "20")
        stack.up()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "20")
