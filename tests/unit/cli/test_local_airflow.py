"""What `make down` ends."""

import subprocess
import sys
from pathlib import Path

from millrace.cli.local_airflow import LocalAirflow

WAIT = [sys.executable, "-c", "import time; time.sleep(60)", "--spec", "s3://bucket/store/spec.json"]


def test_down_ends_the_steps_and_servers_of_this_home_wherever_its_store_is(tmp_path: Path) -> None:
    ours, another = tmp_path / "home" / "scratch" / "s3" / "bucket", tmp_path / "another"
    for folder in (ours, another):
        folder.mkdir(parents=True)
    step = subprocess.Popen(WAIT, cwd=ours, start_new_session=True)
    stranger = subprocess.Popen(WAIT, cwd=another, start_new_session=True)
    try:
        assert LocalAirflow(tmp_path / "home").down() == [step.pid]
        assert stranger.poll() is None
    finally:
        for process in (step, stranger):
            process.kill()
            process.wait()


def test_the_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    LocalAirflow(home).environment()
    assert home.stat().st_mode & 0o077 == 0
