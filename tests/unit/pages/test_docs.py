"""Data Docs of a run, above all of one whose validation failed."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from millrace.contracts.measurement import MeterReading
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.runs.run import run_folder_uri
from millrace.settings import load_settings
from millrace.storage import files
from tests.unit.pages.conftest import Everyone

DOCS = "/sub/millrace/docs?dag_id=news&run_id=r"


@pytest.fixture
def validated(ledger: Ledger) -> Callable[..., None]:
    """A try of validate, with or without Data Docs."""

    def validated(number: int, outcome: str, reason: str, text: str | None, folder: str = "") -> None:
        key = TryKey(dag_id="news", run_id="r", repeat=0, task_id="validate", try_number=number)
        meter = MeterReading(started_at=datetime.now(UTC), wall_seconds=1, cpu_seconds=1)
        report = Report.model_validate({"outcome": outcome, "reason": reason, "meter": meter})
        ledger.commit_report(key, report, f"p{number}")
        if text is not None:
            step = files.join(run_folder_uri(load_settings().store, "news", "r"), "validate")
            attempt = files.join(step, folder or f"try-{number}")
            files.write_bytes(files.join(attempt, "out", "docs", "index.html"), text.encode())

    return validated


def test_a_failed_validation_shows_what_it_saw(
    client: TestClient, run: Callable[..., None], validated: Callable[..., None]
) -> None:
    run("r", state="running")
    validated(1, "failed", "2 rules are broken", "<p>amount below 0</p>")
    answer = client.get(DOCS)
    assert (answer.status_code, answer.text) == (200, "<p>amount below 0</p>")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "docs?dag_id=news&amp;run_id=r" in client.get(DOCS.replace("docs", "validation")).text


def test_the_newest_attempt_counts_and_a_repeat_has_its_own(
    client: TestClient, run: Callable[..., None], validated: Callable[..., None]
) -> None:
    run("r", state="running")
    for folder in ("try-2", "try-9", "try-10", "try-10-restart-2", "try-10-restart-1"):
        validated(int(folder.split("-")[1]), "failed", "broken", folder, folder)
    assert client.get(DOCS).text == "try-10-restart-2"
    assert client.get(f"{DOCS}&repeat=0").text == "try-10-restart-2"
    assert client.get(f"{DOCS}&repeat=7").status_code == 404


def test_a_run_without_any_says_why(client: TestClient, run: Callable[..., None]) -> None:
    run("r", state="skipped")
    answer = client.get(DOCS)
    assert answer.status_code == 404
    assert "Nothing was validated in this run: the run is skipped, because" in answer.text


def test_a_validation_that_came_to_none_says_why(
    client: TestClient, run: Callable[..., None], validated: Callable[..., None]
) -> None:
    run("r", state="running")
    validated(1, "failed", "a staged file is missing", None)
    answer = client.get(DOCS)
    assert answer.status_code == 404
    assert "a staged file is missing" in answer.text


@pytest.mark.parametrize("query", ["run_id=nobody", "version=3", "version=99999999999999999999", "version=-1", ""])
def test_what_is_not_there_is_no_crash(
    client: TestClient, run: Callable[..., None], query: str, manager: Everyone
) -> None:
    run("r")
    assert client.get(f"/sub/millrace/docs?dag_id=news&{query}").status_code in (404, 422)
