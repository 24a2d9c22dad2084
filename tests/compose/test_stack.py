"""The stack of docker-compose.yaml: the demonstration from its REST API to its ledger, its service and its pages."""

import re
import subprocess
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from millrace.demonstration.follow import AirflowApi, Reachable
from millrace.local_airflow import LocalAirflow

DAG = "news_topics"
PARTS = {"machine", "postgres", "s3", "api-server", "scheduler", "dag-processor", "triggerer", "exporter", "prometheus"}
NUMBERS = (
    "predicted_seconds", "measured_seconds", "predicted_joules", "measured_joules", "measured_peak_memory_bytes",
)  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def run_id(stack: Any, repository: Path) -> str:
    """One run that succeeded, triggered with a token."""
    # what make demo fetched, so that the stack needs no network
    bring_in = "cp -r /wheels /tmp/wheels && exec python3 -m millrace demo-material --cache /tmp/wheels"
    stack.compose("run", "--rm", "-v", f"{repository / '.cache'}:/wheels:ro", "cli", "bash", "-ec", bring_in)
    stack.api.await_dag(DAG)
    run_id = str(stack.api.trigger(DAG, {"rows": 600, "partition_from": "2026-01-01", "partition_to": "2026-01-14"}))

    def over() -> str | None:
        state = stack.api.run_state(DAG, run_id)
        return str(state) if state in ("success", "failed") else None

    assert stack.await_(over, "end of the run", 1200) == "success", stack.compose("logs", "--tail", "100", "scheduler")
    return run_id


def pages(airflow: Reachable, run_id: str, version: str) -> dict[str, str]:
    """The pages' HTML, but for a chart's id, which is new each time, and the moment in which a server last answered."""
    headers = AirflowApi(airflow).headers
    fleeting = r"chart-[0-9a-f-]{36}|said [0-9 :-]+ UTC"
    addresses = {
        "run": ("run", {"dag_id": DAG, "run_id": run_id}),
        "runs": ("runs", {}),
        "models": ("models", {}),
        "plan": ("plan", {"dag_id": DAG}),
        "site": ("site", {}),
        "data docs": ("docs", {"dag_id": DAG, "version": version}),
    }
    with httpx.Client(base_url=f"{airflow.url}/millrace/", headers=headers, timeout=60) as client:
        return {
            name: re.sub(fleeting, "", client.get(path, params=params).raise_for_status().text)
            for name, (path, params) in addresses.items()
        }


def test_every_part_runs_and_none_as_root(stack: Any) -> None:
    states = {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in stack.containers()}
    assert {name for name, each in states.items() if each["State"]["Running"]} == PARTS
    owners = {name: stack.compose("exec", "-T", name, "id", "-u").strip() for name in PARTS}
    assert set(owners.values()) == {"65532"}, owners
    assert [name for name, each in states.items() if each["HostConfig"]["Privileged"]] == []


def test_nobody_gets_in_without_logging_in(stack: Any) -> None:
    for path in ("/api/v2/dags", "/millrace/runs", "/millrace/plan"):
        assert httpx.get(f"{stack.url}{path}", timeout=30).status_code == 401


def test_the_ledger_in_postgresql_has_the_run_predicted_beside_measured(stack: Any, run_id: str) -> None:
    row = stack.sql(f"SELECT state, decision, {', '.join(NUMBERS)} FROM run_summary WHERE run_id = '{run_id}'")
    state, decision, *numbers = row.split("|")
    assert (state, decision) == ("success", "pass")
    assert all(float(number) > 0 for number in numbers), row


def test_the_pages_show_the_run_and_make_up_on_the_same_stores_shows_the_same(
    stack: Any,
    run_id: str,
    repository: Path,
    tmp_path: Path,
    load_module: Callable[[Path], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = stack.sql(f"SELECT dataset_version FROM run_summary WHERE run_id = '{run_id}'")
    shown = pages(stack, run_id, version)
    assert "quality by label" in shown["run"].lower()
    assert run_id in shown["runs"]
    known = [*stack.secret("airflow/env").splitlines(), *stack.secret("s3/env").splitlines()]
    s3 = f"http://{stack.address('s3')}:7480"
    stored = {"AWS_ENDPOINT_URL": s3, "MILLRACE_STORAGE_URI": "s3://millrace/store"}
    for name, value in {**dict(line.split("=", 1) for line in known), **stored}.items():
        monkeypatch.setenv(name, value.replace("@postgres", f"@{stack.address('postgres')}"))
    port = load_module(repository / "tests" / "e2e" / "conftest.py").free_port()
    embedded = LocalAirflow(tmp_path, port)
    # one Airflow after the other on one database
    stack.compose("stop", "--timeout", "20", "scheduler", "dag-processor", "triggerer", "api-server")
    try:
        embedded.up()
        embeddeds = pages(embedded, run_id, version)
    finally:
        embedded.down()
        stack.up()
    differing = [
        line for name, page in shown.items()
        for line in unified_diff(page.splitlines(), embeddeds[name].splitlines(), name, name, n=0, lineterm="")
    ]  # fmt: skip
    assert differing == [], "\n".join(differing)


def test_the_model_answers_after_the_stack_was_down_too(stack: Any, run_id: str) -> None:
    asked = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["the shuttle reached orbit"]}]}
    url = f"http://127.0.0.1:28200/v2/models/{DAG}"

    def answer() -> list[Any] | None:
        try:
            got = httpx.post(f"{url}/infer", json=asked, timeout=30)
        except httpx.HTTPError:
            return None
        return [got.json()[part] for part in ("model_version", "outputs")] if got.status_code == 200 else None

    before = stack.await_(answer, "answer", 60)
    stack.compose("down", "--timeout", "20")
    with pytest.raises(httpx.HTTPError):
        httpx.get(url, timeout=5)
    stack.up()
    assert stack.await_(answer, "answer", 120) == before
    assert stack.sql(f"SELECT count(*) FROM run_summary WHERE run_id = '{run_id}'") == "1"


@pytest.mark.parametrize(
    "query", ['up{job="model-servers",instance="machine:8200"} == 1', 'millrace_recent_runs{state="success"} >= 1']
)
def test_prometheus_has_the_servers_and_the_ledgers_figures(stack: Any, run_id: str, query: str) -> None:
    def found() -> list[Any]:
        answer = httpx.get("http://127.0.0.1:29090/api/v1/query", params={"query": query}, timeout=10).json()
        return list(answer["data"]["result"])

    stack.await_(found, query, 60)


def test_no_secret_is_in_configurations_arguments_or_logs(stack: Any, run_id: str) -> None:
    lines = [*stack.secret("airflow/env").splitlines(), *stack.secret("s3/env").splitlines()]
    secret = {value.rpartition("@")[0].rpartition(":")[2] or value for _, _, value in (a.partition("=") for a in lines)}
    secret |= {stack.secret("postgres/password"), stack.secret("airflow/passwords.json").split('"')[3]}
    assert len(secret) >= 6
    names = [each["Id"] for each in stack.containers()]
    processes = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout
    kept = {
        "config": stack.compose("config"),
        "logs": stack.compose("logs"),
        "inspect": subprocess.run(["docker", "inspect", *names], check=True, capture_output=True, text=True).stdout,
        "processes": processes,
    }
    found = [place for place, text in kept.items() for each in secret if each in text]
    assert found == []
