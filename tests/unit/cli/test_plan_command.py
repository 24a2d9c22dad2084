"""``python -m millrace plan``, as a person calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

ASKED = ("--model", "bert-base", "--rows", "1000", "--precision", "tf32")


def plan(repository: Path, *given: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(repository / "plugins")}
    command = [sys.executable, "-m", "millrace", "plan", *ASKED, *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_one_plan_in_full_and_several_side_by_side(repository: Path) -> None:
    one = plan(repository, "--hardware", "1xa100-80-sxm")
    assert one.returncode == 0, one.stderr
    assert "109,483,778" in one.stdout
    several = plan(repository, "--hardware", "1xa100-80-sxm", "--hardware", "1xh100-sxm", "--best", "--output", "json")
    assert {each["hardware"] for each in json.loads(several.stdout)} <= {"1xa100-80-sxm", "1xh100-sxm"}


def test_the_thriftiest_of_any_hardware_in_time(repository: Path) -> None:
    found = plan(repository, "--hardware", "any", "--aim", "joules", "--within-hours", "100", "--output", "json")
    (chosen,) = json.loads(found.stdout)
    assert chosen["seconds"]["p90"] <= 360_000
    never = plan(repository, "--hardware", "any", "--within-hours", "0.0001")
    assert "or not in time" in never.stdout


def test_a_refusal_says_what_there_is(repository: Path) -> None:
    refused = plan(repository, "--hardware", "1xt4")
    assert (refused.returncode, "has no tf32" in refused.stderr) == (2, True)
    absent = plan(repository, "--model", "nowhere.json")
    assert (absent.returncode, "where:  nowhere.json" in absent.stderr) == (2, True)


def test_airflow_is_not_needed(repository: Path) -> None:
    # the sizing server files alone, where nothing but pydantic, PyYAML and psutil can be imported
    code = (
        "import sys; sys.modules.update(airflow=None, sqlalchemy=None, httpx=None, typer=None, numpy=None)\n"
        "import millrace.sizing.plan, millrace.sizing.query, millrace.sizing.power"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository / "plugins")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_the_command_starts_without_what_a_plan_does_not_use(repository: Path) -> None:
    # half of a plan's time was theirs, and a module that the settings name may bring them back
    code = "import sys; sys.modules.update(sqlalchemy=None, httpx=None, kubernetes=None)\nimport millrace.cli.app"
    environment = {**os.environ, "PYTHONPATH": str(repository / "plugins")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
