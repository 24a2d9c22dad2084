"""The stack of docker-compose.yaml: the demonstration from its REST API to its ledger, its service and its pages."""

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

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
    stack.await_(lambda: stack.client.get(f"/api/v2/dags/{DAG}").status_code == 200, "DAG", 120)
    stack.client.patch(f"/api/v2/dags/{DAG}", json={"is_paused": False}).raise_for_status()
    conf = {"rows": 600, "partition_from": "2026-01-01", "partition_to": "2026-01-14"}
    asked = stack.client.post(f"/api/v2/dags/{DAG}/dagRuns", json={"conf": conf, "logical_date": None})
    assert asked.is_success, asked.text
    run_id = str(asked.json()["dag_run_id"])
    path = f"/api/v2/dags/{DAG}/dagRuns/{run_id}"

    def over() -> str | None:
        state = stack.client.get(path).json()["state"]
        return str(state) if state in ("success", "failed") else None

    assert stack.await_(over, "end of the run", 1200) == "success", stack.compose("logs", "--tail", "100", "scheduler")
    return run_id


def test_every_part_runs_and_none_as_root(stack: Any) -> None:
    states = {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in stack.containers()}
    assert {name for name, each in states.items() if each["State"]["Running"]} == PARTS
    owners = {name: stack.compose("exec", "-T", name, "id", "-u").strip() for name in PARTS}
    assert set(owners.values()) == {"65532"}, owners
    assert [name for name, each in states.items() if each["HostConfig"]["Privileged"]] == []


def test_nobody_gets_in_without_logging_in(stack: Any) -> None:
    for path in ("/api/v2/dags", "/millrace/runs", "/millrace/plan"):
        assert httpx.get(f"http://127.0.0.1:{stack.port}{path}", timeout=30).status_code == 401


def test_the_ledger_in_postgresql_has_the_run_predicted_beside_measured(stack: Any, run_id: str) -> None:
    row = stack.sql(f"SELECT state, decision, {', '.join(NUMBERS)} FROM run_summary WHERE run_id = '{run_id}'")
    state, decision, *numbers = row.split("|")
    assert (state, decision) == ("success", "pass")
    assert all(float(number) > 0 for number in numbers), row


def test_the_pages_show_the_run(stack: Any, run_id: str) -> None:
    page = stack.client.get("/millrace/run", params={"dag_id": DAG, "run_id": run_id}).raise_for_status().text
    assert "quality by label" in page.lower()
    assert run_id in stack.client.get("/millrace/runs").raise_for_status().text


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
