"""What `make down` ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.cli.local_airflow import LocalAirflow, dags_folder

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


def test_its_own_processes_alone_get_the_settings_for_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "theirs"))
    variables = LocalAirflow(tmp_path / "home").environment()
    first, *others = variables["PYTHONPATH"].split(os.pathsep)
    assert [each.name for each in Path(first).glob("*.py")] == ["airflow_local_settings.py"]
    assert others == [str(tmp_path / "theirs")]
    found = [each for each in map(Path, sys.path) if (each / "airflow_local_settings.py").exists()]
    assert found == [], "who has millrace on its path does not have them"


def test_an_installed_package_looks_where_the_sites_airflow_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    assert dags_folder() == repository / "dags"
    monkeypatch.setattr("millrace.storage.packaged.IS_CHECKOUT", False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW__CORE__DAGS_FOLDER", raising=False)
    assert dags_folder() == tmp_path / "dags"
    assert "AIRFLOW__CORE__PLUGINS_FOLDER" not in LocalAirflow(tmp_path / "home").environment()
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path / "theirs"))
    assert dags_folder() == tmp_path / "theirs"
