"""docker-compose.yaml, really brought up, in a project of its own with volumes of its own."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from millrace.cli.demonstration.follow import AirflowApi
from millrace.cli.local_airflow import healthy

_PROJECT = "millrace-test"
_UP_SECONDS = 300


class Stack:
    """A running stack, with a client that has logged in."""

    api: AirflowApi

    def __init__(self, repository: Path, tag: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.repository = repository
        self.users_at_work: set[str] = set()
        ports = {"PORT": f"{self.port}", "MILLRACE_SERVING_PORTS": "28200-28209", "PROMETHEUS_PORT": "29090"}
        with_stores = os.environ.get("COMPOSE_FILE", "docker-compose.yaml") + ":tests/compose/ports.yaml"
        self.environment = {
            **os.environ, **ports, "IMAGE_TAG": tag, "MILLRACE_CEPH_BYTES": f"{4 << 30}", "COMPOSE_FILE": with_stores,
        }  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def password(self) -> str:
        return str(json.loads(self.secret("airflow/passwords.json"))["admin"])

    def compose(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "compose", "-p", _PROJECT, *words],
            cwd=self.repository, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def up(self) -> None:
        """As `docker compose up -d` does it, then until every part is well."""
        self.compose("up", "-d")
        self.await_(lambda: healthy(self.url), "Airflow", _UP_SECONDS)
        self.api = AirflowApi(self)

    def secret(self, name: str) -> str:
        part = name.partition("/")[0]
        service = {"postgres": "postgres", "s3": "s3", "prometheus": "prometheus"}.get(part, "api-server")
        return self.compose("exec", "-T", service, "cat", f"/run/millrace/{name}")

    def containers(self) -> list[dict[str, Any]]:
        names = self.compose("ps", "-aq").split()
        return list(json.loads(subprocess.run(["docker", "inspect", *names], check=True, capture_output=True).stdout))

    @property
    def trust(self) -> ssl.SSLContext:
        """That of the stack's own authority, and of no other."""
        return ssl.create_default_context(cadata=self.secret("trust/ca.crt"))

    def sql(self, query: str) -> str:
        """What the ledger's PostgreSQL answers, a line a row."""
        as_owner = ("psql", "-h", "/tmp", "-U", "postgres", "-d", "millrace", "-At", "-c", query)
        return self.compose("exec", "-T", "postgres", *as_owner).strip()

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
