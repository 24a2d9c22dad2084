"""The stack of docker-compose.yaml: the demonstration from its REST API to its ledger, its service and its pages."""

import re
import shlex
import subprocess
from difflib import unified_diff
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.cli.demonstration.follow import AirflowApi, Reachable
from millrace.cli.local_airflow import LocalAirflow
from tests.compose.conftest import Stack
from tests.e2e.conftest import free_port

DAG = "news_topics"
PARTS = {"machine", "postgres", "s3", "api-server", "scheduler", "dag-processor", "triggerer", "exporter", "prometheus"}
NUMBERS = (
    "predicted_seconds", "measured_seconds", "predicted_joules", "measured_joules", "measured_peak_memory_bytes",
)  # fmt: skip

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def run_id(stack: Stack, repository: Path) -> str:
    """One run that succeeded, triggered with a token."""
    # what make demo fetched, so that the stack needs no network
    bring_in = "mkdir /tmp/wheels && cp /wheels/*.whl /wheels/fetched.txt /tmp/wheels"
    bring_in += " && exec python3 -m millrace demo-material --cache /tmp/wheels"
    stack.compose("run", "--rm", "-v", f"{repository / '.cache'}:/wheels:ro", "cli", "bash", "-ec", bring_in)
    stack.api.await_dag(DAG)
    run_id = str(stack.api.trigger(DAG, {"rows": 600, "partition_from": "2026-01-01", "partition_to": "2026-01-14"}))

    def over() -> str | None:
        owners = stack.compose("exec", "-T", "scheduler", "sh", "-c", "stat -c %u /proc/[0-9]*; true", check=False)
        stack.users_at_work.update(owners.split())
        state = stack.api.run_state(DAG, run_id)
        return str(state) if state in ("success", "failed") else None

    assert stack.await_(over, "end of the run", 1200) == "success", stack.compose("logs", "--tail", "100", "scheduler")
    return run_id


def variables(stack: Stack) -> dict[str, str]:
    """Those that hold secrets, as each of Airflow's parts reads them."""
    lines = [*stack.secret("airflow/env").splitlines(), *stack.secret("s3/env").splitlines()]
    return {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}


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


def test_every_part_runs_and_none_as_root(stack: Stack) -> None:
    states = {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in stack.containers()}
    assert {name for name, each in states.items() if each["State"]["Running"]} == PARTS
    owners = {name: stack.compose("exec", "-T", name, "id", "-u").strip() for name in PARTS}
    assert set(owners.values()) == {"65532"}, owners
    assert [name for name, each in states.items() if each["HostConfig"]["Privileged"]] == []


def test_nobody_gets_in_without_logging_in(stack: Stack) -> None:
    for path in ("/api/v2/dags", "/millrace/runs", "/millrace/plan"):
        assert httpx.get(f"{stack.url}{path}", timeout=30).status_code == 401


def test_no_role_of_airflows_is_a_superuser_and_each_enters_its_own_database_by_tls_alone(stack: Stack) -> None:
    rights = "rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
    roles = stack.sql(f"SELECT {rights} FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres' ORDER BY rolname")
    assert roles.splitlines() == ["airflow|f|f|f|f|f", "ledger|f|f|f|f|f"]
    owners = stack.sql("SELECT datname, rolname FROM pg_database JOIN pg_roles r ON r.oid = datdba ORDER BY datname")
    assert {"airflow|airflow", "millrace|ledger"} <= set(owners.splitlines())
    plain = stack.sql(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0 AND NOT ssl"
    )
    assert plain == "0"
    assert int(stack.sql("SELECT count(*) FROM pg_stat_ssl WHERE ssl")) > 0
    for database, mode, enters in (
        ("airflow", "require", True),
        ("millrace", "require", False),
        ("airflow", "disable", False),
    ):
        asked = f"host=127.0.0.1 user=airflow dbname={database} sslmode={mode}"
        psql = f'PGPASSWORD=$(</run/millrace/postgres/airflow) psql -At "{asked}" -c "SELECT 1"'
        said = stack.compose("exec", "-T", "postgres", "bash", "-c", f"{psql} 2>&1 || true")
        assert (said.strip() == "1") == enters, said
        assert enters or "no pg_hba.conf entry" in said


def test_ports_are_opened_on_loopback_alone_and_the_store_takes_no_request_without_tls(stack: Stack) -> None:
    bound = [
        each["HostIp"]
        for part in stack.containers()
        for ports in part["HostConfig"]["PortBindings"].values()
        for each in ports
    ]
    assert set(bound) == {"127.0.0.1"}
    assert httpx.get("https://localhost:27480", timeout=10, verify=stack.trust).status_code == 200
    with pytest.raises(httpx.HTTPError):
        httpx.get("http://localhost:27480", timeout=10).raise_for_status()


def test_a_stack_that_others_would_reach_without_tls_does_not_start(stack: Stack) -> None:
    words = ("docker", "compose", "-p", "millrace-test-open")
    given: dict[str, Any] = {
        "cwd": stack.repository,
        "env": {**stack.environment, "MILLRACE_BIND": "0.0.0.0"},
        "text": True,
    }
    try:
        done = subprocess.run([*words, "up", "-d"], **given, check=False, capture_output=True)
        assert done.returncode != 0
        said = subprocess.run([*words, "logs", "secrets"], **given, check=True, capture_output=True).stdout
        assert "refused: MILLRACE_BIND=0.0.0.0 opens the stack to other machines. Set MILLRACE_UI_TLS=true" in said
        running = subprocess.run([*words, "ps", "-q"], **given, check=True, capture_output=True).stdout
        assert running == ""
    finally:
        subprocess.run([*words, "down", "--volumes"], **given, check=True, capture_output=True)


def test_the_ledger_in_postgresql_has_the_run_predicted_beside_measured(stack: Stack, run_id: str) -> None:
    row = stack.sql(f"SELECT state, decision, {', '.join(NUMBERS)} FROM run_summary WHERE run_id = '{run_id}'")
    state, decision, *numbers = row.split("|")
    assert (state, decision) == ("success", "pass")
    assert all(float(number) > 0 for number in numbers), row


def test_the_pages_show_the_run_and_make_up_on_the_same_stores_shows_the_same(
    stack: Stack,
    run_id: str,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = stack.sql(f"SELECT dataset_version FROM run_summary WHERE run_id = '{run_id}'")
    shown = pages(stack, run_id, version)
    assert "quality by label" in shown["run"].lower()
    assert run_id in shown["runs"]
    authority = tmp_path / "ca.crt"
    authority.write_text(stack.secret("trust/ca.crt"))
    stored = {"AWS_ENDPOINT_URL": "https://localhost:27480", "MILLRACE_STORAGE_URI": "s3://millrace/store"}
    stored["AWS_CA_BUNDLE"] = f"{authority}"
    stored["MILLRACE_SIGNING_KEY"] = stack.compose("exec", "-T", "api-server", "cat", "/var/lib/millrace/signing.key")
    for name, value in {**variables(stack), **stored}.items():
        here = value.replace("@postgres/", "@localhost:25432/").replace("/run/millrace/trust/ca.crt", f"{authority}")
        monkeypatch.setenv(name, here)
    port = free_port()
    embedded = LocalAirflow(tmp_path, port)
    # one Airflow after the other on one database
    stack.compose("stop", "--timeout", "20", "scheduler", "dag-processor", "triggerer", "api-server")
    try:
        embedded.up()
        embeddeds = pages(embedded, run_id, version)
        # the model server is the other machine's
        embeddeds["models"] = re.sub(
            r'<p class="note bad" role="alert">.*? does not answer\..*?</p>', "", embeddeds["models"]
        )
    finally:
        embedded.down()
        stack.up()
    differing = [
        line for name, page in shown.items()
        for line in unified_diff(page.splitlines(), embeddeds[name].splitlines(), name, name, n=0, lineterm="")
    ]  # fmt: skip
    assert differing == [], "\n".join(differing)


def test_the_model_answers_after_the_stack_was_down_too(stack: Stack, run_id: str) -> None:
    asked = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["the shuttle reached orbit"]}]}
    url, trust = f"https://127.0.0.1:28200/v2/models/{DAG}", stack.trust
    token = {"Authorization": f"Bearer {stack.secret('serving/token')}"}
    assert httpx.post(f"{url}/infer", json=asked, timeout=30, verify=trust).status_code == 401

    def answer() -> list[Any] | None:
        try:
            got = httpx.post(f"{url}/infer", json=asked, timeout=30, verify=trust, headers=token)
        except httpx.HTTPError:
            return None
        return [got.json()[part] for part in ("model_version", "outputs")] if got.status_code == 200 else None

    before = stack.await_(answer, "answer", 60)
    stack.compose("down", "--timeout", "20")
    with pytest.raises(httpx.HTTPError):
        httpx.get(url, timeout=5, verify=trust)
    stack.up()
    assert stack.await_(answer, "answer", 120) == before
    assert stack.sql(f"SELECT count(*) FROM run_summary WHERE run_id = '{run_id}'") == "1"


@pytest.mark.parametrize(
    "query", ['up{job="model-servers",instance="machine:8200"} == 1', 'millrace_recent_runs{state="success"} >= 1']
)
def test_prometheus_has_the_servers_and_the_ledgers_figures(stack: Stack, run_id: str, query: str) -> None:
    url, trust, user = (
        "https://127.0.0.1:29090/api/v1/query",
        stack.trust,
        ("admin", stack.secret("prometheus/password")),
    )

    def found() -> list[Any]:
        answer = httpx.get(url, params={"query": query}, timeout=10, verify=trust, auth=user).raise_for_status().json()
        return list(answer["data"]["result"])

    assert httpx.get(url, params={"query": query}, timeout=10, verify=trust).status_code == 401

    stack.await_(found, query, 60)


def test_no_secret_is_in_configurations_arguments_or_logs(stack: Stack, run_id: str) -> None:
    secret = {value.rpartition("@")[0].rpartition(":")[2] or value for value in variables(stack).values()}
    secret |= {stack.secret(name) for name in ("serving/token", "prometheus/password")}
    secret |= {stack.secret("airflow/passwords.json").split('"')[3]}
    assert len(secret) == 10
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


def test_steps_and_model_servers_read_neither_airflows_keys_nor_each_others(stack: Stack, run_id: str) -> None:
    def shell(user: str, script: str) -> str:
        return str(stack.compose("exec", "-T", "-u", user, "scheduler", "sh", "-c", f"{script} || true")).strip()

    airflow, server, step = "65532:65532", "65531:65531", "65533:65533"
    assert {each.partition(":")[0] for each in (airflow, server, step)} <= stack.users_at_work
    held = "cat $(find /proc -maxdepth 1 -uid 65532 -name '[0-9]*' -printf '%p/environ ') 2>/dev/null | head -c 1"
    keys, servers_key = "/run/millrace/airflow/env", "/run/millrace/serving/tls.key"
    for user, reads in ((airflow, {keys, servers_key}), (server, {servers_key}), (step, set())):
        assert {file for file in (keys, servers_key) if shell(user, f"test -r {file} && echo yes")} == reads
        assert (shell(user, held) != "") == (user == airflow)  # what Airflow's processes hold
        become = "setpriv --reuid=65533 --regid=65533 --clear-groups id -u"
        assert (shell(user, become) == "65533") == (user == airflow)


def test_the_ui_speaks_tls_where_it_is_asked_to_and_tasks_run(stack: Stack, run_id: str) -> None:
    """The last one: nothing here goes back to plain HTTP."""
    stack.environment["MILLRACE_UI_TLS"] = "true"
    stack.compose("up", "-d")
    trust, url = stack.trust, f"https://localhost:{stack.port}"

    def healthy() -> bool:
        try:
            parts = httpx.get(f"{url}/api/v2/monitor/health", timeout=10, verify=trust).json()
        except (httpx.HTTPError, ValueError):
            return False
        return all(
            parts[each]["status"] == "healthy" for each in ("metadatabase", "scheduler", "dag_processor", "triggerer")
        )

    stack.await_(healthy, "Airflow by TLS", 300)
    with httpx.Client(base_url=url, timeout=60, verify=trust) as client:
        login = {"username": "admin", "password": stack.password()}
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        runs = f"/api/v2/dags/{DAG}/dagRuns"
        asked = {"conf": {"rows": 600, "dry_run": True, "partition_from": "2026-01-01", "partition_to": "2026-01-02"}}
        made = client.post(runs, json={**asked, "logical_date": None}).raise_for_status().json()["dag_run_id"]
        ended = ("success", "failed")
        stack.await_(lambda: client.get(f"{runs}/{made}").json()["state"] in ended, "end of the dry run", 300)
        assert stack.sql(f"SELECT state FROM run_summary WHERE run_id = '{made}'") == "dry_run"
