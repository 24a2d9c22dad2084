"""The kill matrix: a step killed at any named point, and run again as Airflow would, ends like an unbroken run."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from matrix import outcome
from matrix.catalogue import POINTS, TASKS
from matrix.points import Point
from matrix.task import OK

pytestmark = pytest.mark.timeout(300)


def changed_files(repository: Path) -> set[str]:
    """What the working tree changes against origin/main, or against HEAD~ where that is the same commit."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head, main = git("rev-parse", "HEAD"), git("rev-parse", "-q", "--verify", "origin/main")
    base = main if main and main != head else "HEAD~"
    return {*git("diff", "--name-only", base).splitlines(), *git("ls-files", "-o", "--exclude-standard").splitlines()}


def of_this_change(point: Point, changed: set[str]) -> bool:
    """Whether a file that the point is in, or that its step is made of, was changed."""
    name = point.module.replace(".", "/") + ".py"
    return any(file.endswith(f"/{name}") for file in changed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The points of the store; in a quick run the main ones and those of what was changed."""
    if "point" not in metafunc.fixturenames:
        return
    store = "s3" if "unbroken_on_s3" in metafunc.fixturenames else "file"
    points = [point for point in POINTS if point.store in ("", store)]
    if os.environ.get("MILLRACE_TEST_POINTS") != "all":
        changed = changed_files(Path(str(metafunc.config.rootpath)))
        points = [point for point in points if point.main or of_this_change(point, changed)]
    metafunc.parametrize("point", points, ids=lambda point: re.sub(r"[^a-z]+", "-", point.name))


def test_a_killed_try_and_its_retry_are_one_unbroken_run(unbroken: Any, point: Point) -> None:
    kill_and_retry(unbroken, point)


def test_on_s3_a_killed_try_and_its_retry_are_one_unbroken_run(unbroken_on_s3: Any, point: Point) -> None:
    kill_and_retry(unbroken_on_s3, point)


def kill_and_retry(unbroken: Any, point: Point) -> None:
    """Put the state before the task back, kill it at the point, look as a reader, retry, compare, sweep, compare."""
    airflow_env, expected = unbroken.airflow_env, unbroken.outcomes[point.task]
    airflow_env.put_back(point.task)
    before = outcome.ledger_tables(airflow_env)
    try:
        code = airflow_env.run(point.task, 1, point=point)
        assert airflow_env.reached.exists(), (
            f"the point was not reached; the task ended with {code}\n{airflow_env.said()}"
        )
        assert code == -signal.SIGKILL or point.side == "step", f"{code}\n{airflow_env.said()}"
        outcome.check_readers(airflow_env)
        now = outcome.ledger_tables(airflow_env)
        for name in ("partitions", "dataset_versions", "models", "model_events"):
            assert now[name] in (before[name], expected["ledger"][name]), f"half a transaction in {name}"
        code = airflow_env.retry(point.task)
        assert code == OK, f"the retry ended with {code}\n{airflow_env.said()}"
        found = outcome.outcome(airflow_env)
        assert found == expected, f"{_first_difference(found, expected)}\n{airflow_env.said()}"
        outcome.check_readers(airflow_env)
        if point.task not in ("roll_out", "watch"):
            assert airflow_env.quiet() == [], "a step's process outlived its run"
        airflow_env.end_all()
        assert outcome.swept(airflow_env) == unbroken.swept(point.task), "the sweep leaves what an unbroken run has not"
    finally:
        airflow_env.end_all()


def _first_difference(found: Any, expected: Any, where: str = "") -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted({*found, *expected}):
            if found.get(name) != expected.get(name):
                return _first_difference(found.get(name), expected.get(name), f"{where}/{name}")
    return f"{where}: {found!r} instead of {expected!r}"


def test_the_matrix_is_of_at_least_thirty_points_of_every_step() -> None:
    assert len(POINTS) >= 30
    assert len({point.name for point in POINTS}) == len(POINTS)
    assert {point.task for point in POINTS} == set(TASKS)
    assert sum(point.main for point in POINTS) >= 6
