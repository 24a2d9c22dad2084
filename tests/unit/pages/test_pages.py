"""Who sees what, in which order, and how what is unknown or hostile is shown."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import ErrorDetail, Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Budget, BudgetClaim, Spending
from millrace.ledger.views import SORTS, RunFilter
from tests.unit.pages.conftest import Everyone

HOSTILE = "<script>alert('&')</script>"


def shown(client: TestClient, address: str) -> str:
    answer = client.get(f"/sub/millrace/{address}")
    assert answer.status_code == 200, answer.text
    return answer.text


def runs_in(text: str) -> list[str]:
    return [parse_qs(urlsplit(found.replace("&amp;", "&")).query)["run_id"][0]
            for found in re.findall(r'<td class="wide">.*?href="([^"]*/run\?[^"]+)"', text)]  # fmt: skip


def test_every_route_answers_401_to_a_stranger(app: FastAPI, anonymous: TestClient) -> None:
    routes = [route for route in app.state.pages.routes if isinstance(route, APIRoute)]
    assert len(routes) >= 9
    for route in routes:
        path = route.path.replace("{name}", "pages.css").replace("{change}", "promote")
        for method in route.methods:
            answer = anonymous.request(method, f"/sub/millrace{path}?dag_id=news&run_id=r&version=1")
            assert answer.status_code == 401, f"{method} {path}"


def test_only_readable_dags_are_shown(client: TestClient, run: Callable[..., None], manager: Everyone) -> None:
    run("mine")
    run("theirs", dag_id="secret")
    manager.readable.discard("secret")
    assert runs_in(shown(client, "runs")) == ["mine"]
    assert "theirs" not in shown(client, "csv")
    assert "secret" not in shown(client, "site") + shown(client, "models")
    for address in ("runs?dag_id=secret", "run?dag_id=secret&run_id=theirs", "models?dag_id=secret",
                    "csv?dag_id=secret",
                    "docs?dag_id=secret&version=1", "plan?dag_id=secret"):  # fmt: skip
        assert client.get(f"/sub/millrace/{address}").status_code == 403, address


def test_pages_follow_each_other_over_dags_without_gap_or_repeat(client: TestClient, run: Callable[..., None]) -> None:
    for number in range(120):
        run(f"r{number:03}", dag_id=("news", "faults")[number % 2], joules=float(number))
    seen: list[str] = []
    address = "runs?sort=measured_joules"
    while True:
        text = shown(client, address)
        seen += runs_in(text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        if not following:
            break
        address = "runs" + following[1].replace("&amp;", "&")
    assert seen == [f"r{number:03}" for number in reversed(range(120))]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [True, False])
def test_every_order_pages_through_all_that_it_holds(
    ledger: Ledger, run: Callable[..., None], sort: Any, descending: bool
) -> None:
    for number in range(7):
        run(f"r{number}", joules=float(number % 3), seconds=float(number))
    run("unknown", joules=None)
    wanted = RunFilter(("news",), sort=sort, descending=descending)
    whole = ledger.views.runs(wanted)
    assert [row["run_id"] for row in ledger.views.every_run(wanted, page=2)] == [row["run_id"] for row in whole]
    if sort == "measured_joules":
        known = [row["measured_joules"] for row in whole if row["measured_joules"] is not None]
        assert known == sorted(known, reverse=descending)
        assert ("unknown" in {row["run_id"] for row in whole}) == descending, "unknown: last, or left out"


def test_a_filter_holds(client: TestClient, run: Callable[..., None]) -> None:
    run("good")
    run("bad", state="failed")
    assert runs_in(shown(client, "runs?state=failed")) == ["bad"]
    assert runs_in(shown(client, "runs?dag_id=&state=&since=&until=&ascending=&sort=started_at")) == ["bad", "good"]
    assert runs_in(shown(client, "runs?since=2000-01-01&until=2000-01-02")) == []
    assert "No run fits this filter" in shown(client, "runs?state=skipped")
    assert client.get("/sub/millrace/runs?state=nonsense").status_code == 422
    assert client.get("/sub/millrace/runs?after=nonsense").status_code == 400


def test_unknown_is_said_and_never_zero(client: TestClient, run: Callable[..., None]) -> None:
    run("r", joules=None)
    text = shown(client, "run?dag_id=news&run_id=r")
    energy = re.search(r'<div class="name">Energy</div>\s*<div class="value unknown">(.*?)</div>', text)
    assert energy
    assert energy[1] == "not measured"
    assert "not judged" in text
    assert "not evaluated" in text


def test_names_are_escaped_everywhere(client: TestClient, run: Callable[..., None]) -> None:
    run(HOSTILE, dag_id=HOSTILE)
    for address in ("runs", "site", "models", "run?dag_id={0}&run_id={0}"):
        text = shown(client, address.format("%3Cscript%3Ealert('%26')%3C/script%3E"))
        assert "<script>alert" not in text, address
        assert "&lt;script&gt;alert" in text, address


def test_csv_has_every_row_and_no_formula(client: TestClient, run: Callable[..., None]) -> None:
    run("=HYPERLINK(1)")
    run("plain", joules=None)
    rows = list(csv.DictReader(io.StringIO(shown(client, "csv"))))
    assert {row["run_id"] for row in rows} == {"'=HYPERLINK(1)", "plain"}
    assert next(row for row in rows if row["run_id"] == "plain")["measured_joules"] == ""


def test_links_stand_behind_a_sub_path(client: TestClient, run: Callable[..., None]) -> None:
    run("r")
    text = shown(client, "run?dag_id=news&run_id=r")
    assert 'href="/sub/millrace/static/pages.css"' in text
    assert 'href="/sub/dags/news/runs/r"' in text


def test_nothing_is_asked_from_elsewhere(client: TestClient, run: Callable[..., None]) -> None:
    run("r")
    for address in ("runs", "run?dag_id=news&run_id=r", "site", "models", "static/pages.css", "static/pages.js"):
        answer = client.get(f"/sub/millrace/{address}")
        assert not re.search(r"""(?:src|href|url|@import)[=("' ]+(?:https?:)?//""", answer.text), address
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_budget_is_shown_beside_what_was_taken_of_it(
    client: TestClient, run: Callable[..., None], ledger: Ledger
) -> None:
    run("r")
    budget = Budget(name="march", dag_id="news", amount=4.0, unit="kWh", predicted=3.0, per_joule=1.0, per_second=0.0)
    ledger.record_budget(budget)
    claim = BudgetClaim("backfill", "march", Spending(1.5, 0, None), units={"kWh": "kwh"})
    assert ledger.reserve("news", "r", 0, [claim])[0].held
    text = shown(client, "site")
    assert "4 kWh" in text
    assert re.search(r'data-name="Taken">10 kWh', text), "what was measured, once the run has ended"


def test_empty_pages_say_what_to_do(client: TestClient) -> None:
    assert "Trigger a workload" in shown(client, "runs")
    assert "Trigger a workload" in shown(client, "models")
    assert "plan a run" in shown(client, "site")


def test_a_ledger_that_is_away_is_said_with_its_remedy(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, app: FastAPI
) -> None:
    from millrace import settings

    monkeypatch.setenv("MILLRACE_LEDGER_URL", "sqlite:////nowhere/at/all.db")
    settings.load_settings.cache_clear()
    answer = client.get("/sub/millrace/runs")
    assert answer.status_code == 503
    assert "What to do" in answer.text


def test_why_a_run_ended_is_shown_with_its_code(client: TestClient, run: Callable[..., None], ledger: Ledger) -> None:
    run("r", state="running")
    ledger.close_run("news", "r", 0, state="rejected", reason="too dear", code=ReasonCode.OVER_BUDGET)
    text = shown(client, "run?dag_id=news&run_id=r")
    assert "too dear" in text
    assert ">over budget<" in text
    assert "over_budget" in shown(client, "csv")


def test_validation_shows_every_expectation_the_violated_ones_first(
    client: TestClient, run: Callable[..., None], ledger: Ledger
) -> None:
    run("r")
    address = "/sub/millrace/validation?dag_id=news&run_id=r"
    assert client.get(address).status_code == 404
    outcomes = [
        {"partition": "2026-03-01", "expectation": "e", "column": column, "success": column != "b", "detail": HOSTILE}
        for column in ("a", "b", None)
    ]
    result = {"kind": "validate", "dataset_uri": "file:///t", "version": 1, "published": [], "outcomes": outcomes}
    used = {"started_at": "2026-03-01T00:01:00+00:00", "wall_seconds": 1, "cpu_seconds": 1}
    report = {"outcome": "failed", "reason": "broken", "meter": used, "result": {**result, "profiles": {}}}
    key = TryKey(dag_id="news", run_id="r", repeat=0, task_id="validate", try_number=1)
    ledger.commit_report(key, Report.model_validate(report), "q")
    text = client.get(address).text
    assert re.findall(r'<td class="wide">(.*?)</td>', text) == ["b", "a", "the table"]
    assert re.findall(r'<div class="value">(\d+)</div>', text) == ["3", "1"]
    assert HOSTILE not in text
    assert "validation?dag_id=news&amp;run_id=r" in shown(client, "run?dag_id=news&run_id=r")
    assert client.get(address + "&repeat=7").status_code == 404


def test_a_failed_run_shows_the_rule_and_what_to_do(
    client: TestClient, run: Callable[..., None], ledger: Ledger
) -> None:
    run("r", state="running")
    error = BadInputError("not a number", where="a.csv, line 5", rule="<integers>", remedy="correct line 5")
    key = TryKey(dag_id="news", run_id="r", repeat=0, task_id="validate", try_number=1)
    meter = MeterReading.model_validate(
        {"started_at": "2026-03-01T00:01:00+00:00", "wall_seconds": 1, "cpu_seconds": 1}
    )
    ledger.commit_report(
        key, Report(outcome="failed", reason=error.summary, error=ErrorDetail.of(error), meter=meter), "q"
    )
    assert "What to do" not in shown(client, "run?dag_id=news&run_id=r"), "the run may end well"
    ledger.close_run("news", "r", 0, state="failed", reason=error.summary)
    text = shown(client, "run?dag_id=news&run_id=r")
    assert "Rule: &lt;integers&gt;" in text
    assert "What to do: correct line 5" in text
