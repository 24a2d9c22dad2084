"""The pages under Airflow's FAB auth manager: who may see one DAG alone sees nothing of another."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from millrace.cli.local_airflow import healthy
from tests.e2e.conftest import AirflowEnv, free_port

if importlib.util.find_spec("airflow.providers.fab") is None:
    pytest.skip("apache-airflow-providers-fab is not installed: make access-test does it", allow_module_level=True)

MINE, ANOTHERS = "machine_faults", "machine_kill"
DAY = date(2026, 3, 2)
MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
# what Airflow's own role Viewer has of what is no DAG, and one DAG
PERMISSIONS = {
    "can_read": ["Website", "DAG Runs", "Task Instances", f"DAG:{MINE}"],
    "can_edit": [f"DAG:{MINE}"],
    "menu_access": ["DAGs"],
}


class DryRuns(AirflowEnv):
    """The end-to-end tests' Airflow, with a run of each workload by its DAG."""

    runs: dict[str, str]


@pytest.fixture(scope="module")
def airflow_env(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[DryRuns]:
    """Two workloads, and a dry run of each."""
    home = tmp_path_factory.mktemp("access")
    (home / "dags").mkdir()
    for name in (MINE, ANOTHERS):
        shutil.copy(repository / "tests" / "e2e" / "dags" / f"{name}.py", home / "dags")
    airflow_env = DryRuns(home, home / "dags")
    with airflow_env.running():
        airflow_env.runs = {}
        for dag_id in (MINE, ANOTHERS):
            airflow_env.deliver(DAY, dag_id)
            airflow_env.runs[dag_id] = airflow_env.run(
                dag_id, partition_from=f"{DAY}", partition_to=f"{DAY}", dry_run=True
            )
        for dag_id, run_id in airflow_env.runs.items():
            airflow_env.finish(run_id, dag_id)
        yield airflow_env


@pytest.fixture(scope="module")
def door(airflow_env: DryRuns, repository: Path) -> Iterator[str]:
    """A second API server of that Airflow, whose auth manager is FAB's."""
    port = free_port()
    path = [str(repository / "plugins"), str(repository / ".venvs" / "fab")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", MANAGER)
        patch.setenv("PYTHONPATH", os.pathsep.join(path))
        airflow_env.command("db", "migrate")
        address = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [str(repository / ".venv" / "bin" / "airflow"), "api-server", "--port", f"{port}"],
            env={**airflow_env.airflow.environment(), "AIRFLOW__API__BASE_URL": address},
            start_new_session=True,
        )
        try:
            airflow_env.wait(lambda: healthy(address), "FAB's API server", 120)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(40)


@pytest.fixture(scope="module")
def person(airflow_env: DryRuns, door: str) -> Callable[..., httpx.Client]:
    """Makes a person with a role, who then has logged in."""

    def make(role: str) -> httpx.Client:
        name, password = f"{role.lower()}-{secrets.token_hex(4)}", secrets.token_hex(16)
        words = ["-u", name, "-p", password, "-r", role, "-f", "A", "-l", "B", "-e", f"{name}@example.org"]
        airflow_env.command("users", "create", *words)
        client = httpx.Client(base_url=door, timeout=60)
        token = client.post("/auth/token", json={"username": name, "password": password}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        return client

    return make


@pytest.fixture
def runs(airflow_env: DryRuns) -> dict[str, str]:
    return dict(airflow_env.runs)


@pytest.fixture(scope="module")
def colleague(airflow_env: DryRuns, person: Callable[..., httpx.Client]) -> httpx.Client:
    """Somebody who may see and change one of the two DAGs."""
    airflow_env.command("roles", "create", "Colleague")
    airflow_env.command("sync-perm", "--include-dags")
    for action, resources in PERMISSIONS.items():
        airflow_env.command("roles", "add-perms", "Colleague", "-r", *resources, "-a", action)
    return person("Colleague")


@pytest.mark.parametrize("page", ["run", "models", "plan", "csv", "runs"])
def test_without_the_dag_a_page_about_it_is_403_or_empty(
    colleague: httpx.Client, runs: dict[str, str], page: str
) -> None:
    of = {dag_id: {"dag_id": dag_id, "run_id": run_id} for dag_id, run_id in runs.items()}
    assert colleague.get(f"/millrace/{page}", params=of[MINE]).status_code == 200
    answer = colleague.get(f"/millrace/{page}", params=of[ANOTHERS])
    if page in ("runs", "csv"):
        assert runs[ANOTHERS] not in answer.text
    else:
        assert answer.status_code == 403


def test_the_list_has_what_one_may_see(colleague: httpx.Client, runs: dict[str, str]) -> None:
    text = colleague.get("/millrace/runs").raise_for_status().text
    assert runs[MINE] in text
    assert runs[ANOTHERS] not in text
    assert ANOTHERS not in text


def test_who_may_see_no_dag_sees_none(person: Callable[..., httpx.Client], runs: dict[str, str]) -> None:
    nobody = person("Public")
    assert nobody.get("/millrace/run", params={"dag_id": MINE, "run_id": runs[MINE]}).status_code == 403
    assert runs[MINE] not in nobody.get("/millrace/runs").text
