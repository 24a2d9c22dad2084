"""Warm environments, an Airflow environment whose run was done once without a fault, and its state before each task."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from matrix import outcome
from matrix.airflow_env import DAYS, AirflowEnv
from matrix.catalogue import TASKS
from matrix.warm import ForkServers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs an S3 is marked, so that it can be chosen and left out."""
    for item in items:
        if any(name.endswith("_on_s3") for name in getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.s3)


@pytest.fixture(scope="session")
def fork_servers(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the fork_servers' sockets."""
    folder = tmp_path_factory.mktemp("z")
    warm = ForkServers(repository, folder)
    yield folder
    warm.close()


@pytest.fixture
def airflow_env(fork_servers: Path, tmp_path: Path) -> Iterator[AirflowEnv]:
    """An Airflow environment of a test's own, with two days delivered and no task run."""
    airflow_env = AirflowEnv(tmp_path / "home", fork_servers, MILLRACE_SERVING_PORT="21300")
    for day in DAYS:
        airflow_env.deliver(day)
    yield airflow_env
    airflow_env.end_all()


@pytest.fixture(scope="session")
def bucket(create_bucket: Callable[[str], None]) -> str:
    """A bucket for stores that are killed in, in the S3 that the usual variables name; skipped without one."""
    if not os.environ.get("AWS_ENDPOINT_URL"):
        pytest.skip("AWS_ENDPOINT_URL names no S3 to test with")
    name = f"{os.environ.get('MILLRACE_TEST_BUCKET', 'millrace-test')}-faults"
    create_bucket(name)
    return name


@pytest.fixture
def airflow_on_s3(fork_servers: Path, tmp_path: Path, bucket: str) -> Iterator[AirflowEnv]:
    """The same with its store in the S3 that the usual variables name; skipped without one."""
    airflow_env = AirflowEnv(
        tmp_path / "home", fork_servers, f"s3://{bucket}/{secrets.token_hex(8)}", MILLRACE_SERVING_PORT="21400"
    )
    for day in DAYS:
        airflow_env.deliver(day)
    yield airflow_env
    airflow_env.end_all()
    airflow_env.empty()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two MiB; skipped where none can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def unbroken(fork_servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A run without a fault, its step processes started as the launcher starts them."""
    yield from _unbroken(AirflowEnv(tmp_path_factory.mktemp("m") / "home", fork_servers, MILLRACE_SERVING_PORT="21100"))


@pytest.fixture(scope="session")
def unbroken_on_s3(fork_servers: Path, tmp_path_factory: pytest.TempPathFactory, bucket: str) -> Iterator[Any]:
    """The same with its store in the S3 that the usual variables name; skipped without one."""
    uri = f"s3://{bucket}/{secrets.token_hex(8)}"
    yield from _unbroken(
        AirflowEnv(tmp_path_factory.mktemp("s") / "home", fork_servers, uri, MILLRACE_SERVING_PORT="21200")
    )


class Unbroken:
    """A run without a fault: its Airflow environment with the state before each task, and the outcome after it."""

    def __init__(self, airflow_env: AirflowEnv) -> None:
        self.airflow_env = airflow_env
        self.outcomes: dict[str, Any] = {}
        self._swept: dict[str, list[str]] = {}
        for day in DAYS:
            airflow_env.deliver(day)
        for task in TASKS:
            airflow_env.keep(task)
            airflow_env.expect(task, cold=True)
            self.outcomes[task] = outcome.outcome(airflow_env)
        airflow_env.end_all()
        airflow_env.keep("the end")

    def swept(self, task: str) -> list[str]:
        """What a sweep leaves of the store as it was after the task."""
        if task not in self._swept:
            self.airflow_env.put_back([*TASKS, "the end"][TASKS.index(task) + 1])
            self._swept[task] = outcome.swept(self.airflow_env)
        return self._swept[task]


def _unbroken(airflow_env: AirflowEnv) -> Iterator[Unbroken]:
    yield Unbroken(airflow_env)
    airflow_env.end_all()
    airflow_env.empty()
