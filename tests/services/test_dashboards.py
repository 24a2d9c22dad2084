"""Dashboards and alert rules by a real Prometheus, which scrapes the exporter and what model servers count."""

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import start_http_server

from millrace.contracts.serving import Verdict
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Budget, BudgetClaim, RunKey, Spending

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = REPOSITORY / "images" / "stack"
RULES = STACK / "alerts.yaml"
ALERTS = {
    "MillraceRunStalled", "MillraceEnergyUnattributed", "MillraceCanaryFailing", "MillraceServingDivergent",
    "MillraceBudgetNear",
}  # fmt: skip
PATIENCE_SECONDS = 60


def panels() -> Iterator[Any]:
    """Each query of each panel, and what the choice of workloads asks, as Grafana sends them."""
    for path in sorted((STACK / "grafana" / "dashboards").iterdir()):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "30s").replace("$workload", ".*")
                yield pytest.param(expression, id=f"{path.stem}: {panel['title']}, {target['refId']}")
        (chosen,) = (each["query"] for each in board["templating"]["list"] if each["name"] == "workload")
        name, label = chosen.removeprefix("label_values(").removesuffix(")").split(", ")
        yield pytest.param(f"count by ({label}) ({name})", id=f"{path.stem}: workloads")


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory, load_module: Callable[[Path], Any]) -> str:
    """A workload whose first run went live, whose second one is on its way, with a budget that is nearly taken."""
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    ledger = Ledger(url)
    ledger.migrate()
    units = load_module(REPOSITORY / "tests" / "unit" / "conftest.py")
    open_run, key, plan = units.open_run.__wrapped__(ledger), units.key.__wrapped__(), units.plan.__wrapped__()
    report, exported = units.report.__wrapped__(units.reading.__wrapped__()), units.exported.__wrapped__()
    train = units.train_model.__wrapped__(ledger, open_run, key, report, plan, exported)
    train("v1")
    ledger.record_verdict("dag", "run-v1", 0, Verdict(outcome="pass", reasons=("good",)))
    ledger.promote("news", "v1", by=Actor.of(RunKey("dag", "run-v1", 0)))
    ledger.close_run("dag", "run-v1", 0, state="success", reason="done", decision="pass")
    train("v2")
    ledger.record_budget(Budget("week", "dag", 10, "EUR", 5, 0.01, 0.1))
    claim = BudgetClaim("backfill", "week", Spending(0, 0, 9.5), units={"EUR": "money"})
    ledger.reserve("dag", "run-v2", 0, [claim])
    return url


@pytest.fixture(scope="module")
def exporter(ledger_url: str) -> Iterator[str]:
    """The command, over that ledger: its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "millrace", "exporter", "--port", address.partition(":")[2]]
    process = subprocess.Popen(command, env={**os.environ, "MILLRACE_LEDGER_URL": ledger_url})
    try:
        assert until(lambda: metrics(address), process.poll) is not None, "the exporter does not answer"
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def servers(load_module: Callable[[Path], ModuleType]) -> Iterator[tuple[str, list[Any]]]:
    """What a model server counts of two versions, declared by its own module: the address, and what counts them."""
    counted = load_module(REPOSITORY / "images" / "serve" / "millrace_serve" / "metrics.py")
    series = [counted.VersionSeries("news", version) for version in ("v1", "v2")]
    counted.REFUSED.labels("400")
    server, thread = start_http_server(0, "127.0.0.1")
    yield f"127.0.0.1:{server.server_port}", series
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def ask(
    replay: ModuleType, exporter: str, servers: tuple[str, list[Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """What Prometheus's API answers on a path."""
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [address]}]}
        for name, address in (("ledger", exporter), ("servers", servers[0]))
    ]
    every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": every, "rule_files": [str(RULES)], "scrape_configs": jobs}
    home = tmp_path_factory.mktemp("prometheus")
    with replay.server(home, yaml.safe_dump(config), replay._answers) as url:

        def ask(path: str, **given: str) -> Any:
            answer = httpx.get(f"{url}/api/v1/{path}", params=given, trust_env=False).json()
            assert answer["status"] == "success", answer
            return answer["data"]

        yield ask


def metrics(address: str) -> str | None:
    try:
        return httpx.get(f"http://{address}/metrics", trust_env=False).text
    except httpx.HTTPError:
        return None


def until(wanted: Callable[[], Any], ended: Callable[[], Any] = lambda: None) -> Any:
    """The first answer that is any; None where there was none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := wanted()) and ended() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    return found or None


@pytest.mark.parametrize("expression", list(panels()))
def test_every_panel_shows_something(ask: Callable[..., Any], servers: tuple[str, list[Any]], expression: str) -> None:
    def shown() -> bool:
        for version in servers[1]:
            version.answered(0.004)
        result = ask("query", query=expression)["result"]
        return any(math.isfinite(float(each["value"][1])) for each in result)

    assert until(shown), f"nothing for {expression}"


def test_every_rule_is_loaded_and_evaluated(ask: Callable[..., Any]) -> None:
    def evaluated() -> list[Any]:
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []

    rules = until(evaluated)
    assert {rule["name"] for rule in rules} == ALERTS
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert until(lambda: ask("alerts")["alerts"])
    assert {alert["labels"]["alertname"] for alert in ask("alerts")["alerts"]} == {"MillraceBudgetNear"}


def test_alerts_fire_on_what_they_are_for(replay: ModuleType) -> None:
    tests = ["promtool", "test", "rules", str(Path(__file__).with_name("alerts.yaml"))]
    done = subprocess.run(tests, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_exporters_metrics_are_named_as_prometheus_has_it(replay: ModuleType, exporter: str) -> None:
    checked = ["promtool", "check", "metrics"]
    done = subprocess.run(checked, input=metrics(exporter), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
