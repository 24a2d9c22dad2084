"""A running Airflow with a live model, and a real Chromium that has logged in to it."""

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import AirflowEnv

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser-test does it")

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
DAYS = [date(2026, 3, 2) + timedelta(days=offset) for offset in range(3)]


@pytest.fixture(scope="session")
def airflow_env(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[AirflowEnv]:
    """The end-to-end tests' Airflow, in which one run has made a model live and a second day's data has arrived."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install Debian's chromium, or name one in CHROMIUM")
    home = tmp_path_factory.mktemp("pages")
    dags = home / "dags"
    dags.mkdir()
    for file in ("machine_faults.py", "machine_kill.py"):
        shutil.copy(repository / "tests" / "e2e" / "dags" / file, dags)
    airflow_env = AirflowEnv(home, dags)
    with airflow_env.running():
        for day in DAYS:
            airflow_env.deliver(day, rows=300)  # the gate wants fifty rows to test on
        row = airflow_env.finish(airflow_env.run(partition_from=f"{DAYS[0]}", partition_to=f"{DAYS[1]}"))
        assert row["state"] == "success", row
        yield airflow_env


@pytest.fixture(scope="session")
def pictures(repository: Path) -> Path:
    """Where screenshots are kept."""
    folder = repository / ".cache" / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser(airflow_env: AirflowEnv) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # a container's root has no sandbox to give
        sandbox = sys.platform != "linux" or os.getuid() != 0
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(browser: Any, airflow_env: AirflowEnv) -> Iterator[Any]:
    """A tab in which the admin has logged in by Airflow's own form."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(airflow_env.airflow.url)
    page.get_by_label("Username").fill("admin")
    page.locator("input[type=password]").fill(airflow_env.airflow.password())
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Dags").first.wait_for()
    yield page
    context.close()
