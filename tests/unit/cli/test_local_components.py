"""Airflow's components under one process, with a program in Airflow's place."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

RUN = "import sys; from millrace.cli import local_components as c; c._RESTARTED_AFTER_SECONDS = float(sys.argv[2]); "
RUN += "sys.exit(c.run(sys.argv[1]))"
AIRFLOW = """#!/bin/sh
echo "$@" >> {said}
case "$1" in
    db) exit 0 ;;
    triggerer) [ -e {ends} ] && rm {ends} && exit 3 ;;
esac
exec sleep 60
"""


class Components:
    """The process, and what it has started."""

    def __init__(self, folder: Path) -> None:
        self.said, self.ends, self.airflow = folder / "said", folder / "ends", folder / "airflow"
        self.airflow.write_text(AIRFLOW.format(said=self.said, ends=self.ends))
        self.airflow.chmod(0o700)

    def start(self, restarted_after_seconds: float) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", RUN, str(self.airflow), f"{restarted_after_seconds}"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def started(self, lines: int) -> list[str]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = self.said.read_text().splitlines() if self.said.exists() else []
            if len(found) >= lines:
                return found
            time.sleep(0.05)
        raise AssertionError("not started")


@pytest.fixture
def components(tmp_path: Path) -> Components:
    return Components(tmp_path)


def test_none_serves_logs_and_all_end_with_their_parent(components: Components) -> None:
    process = components.start(60)
    assert sorted(components.started(5)) == [
        "api-server", "dag-processor", "db migrate", "scheduler --skip-serve-logs", "triggerer --skip-serve-logs",
    ]  # fmt: skip
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert len(children) == 4
    assert not any(child.is_running() for child in children)


def test_all_end_where_one_ends_as_soon_as_it_began(components: Components) -> None:
    components.ends.touch()
    process = components.start(60)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said == "Airflow's triggerer ended with code 3: all end\n"


def test_one_that_ends_later_starts_again(components: Components) -> None:
    components.ends.touch()
    process = components.start(0)
    try:
        assert components.started(6)[5] == "triggerer --skip-serve-logs"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
