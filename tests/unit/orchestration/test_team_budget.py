"""A run that goes past its team's budget of the month: a warning, a request or a refusal, as the catalogue says."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput
from typer.testing import CliRunner

from millrace import settings
from millrace.cli.app import app
from millrace.contracts.workload import Workload
from millrace.ledger.ledger import Ledger
from millrace.orchestration import approval
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.policies import steps
from millrace.runs.outcome import run_outcome
from millrace.sizing.catalogue import CATALOGUE

DAY = datetime(2026, 3, 2, tzinfo=UTC)


class Month:
    """The first task of runs of the team "tests", at a site with these budgets."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.catalogue = home / "site.yaml"
        arrivals = home / "arrivals" / workload.name
        arrivals.mkdir(parents=True)
        (arrivals / f"{DAY.date()}.csv").write_text("id,width,kind\n1,2,rose\n")

        class First(WorkloadOperator):
            def work(self, run: Any, context: Any) -> str:
                return "done"

        self.task = First(task_id="plan_ingest", admit=steps.data_within_budget, workload=workload)

    def may(self, **budget: Any) -> None:
        self.catalogue.write_text(CATALOGUE.read_text().replace("teams: {}", f"teams: {{tests: {budget}}}"))

    def context(self, run_id: str) -> Any:
        run = {"dag_id": "flowers", "run_id": run_id, "run_type": SimpleNamespace(value="manual")}
        return {
            "dag_run": SimpleNamespace(**run, data_interval_start=DAY, run_after=DAY),
            "params": {"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
            "ti": SimpleNamespace(id=UUID(int=1), try_number=1, map_index=-1),
        }

    def begin(self, run_id: str) -> Any:
        return self.task.execute(self.context(run_id))

    def answer(self, run_id: str, waiting: TaskAwaitingInput, option: str) -> Any:
        kwargs = {**(waiting.kwargs or {}), "event": {"chosen_options": [option], "responded_by_user": {"name": "ada"}}}
        return getattr(self.task, waiting.method_name)(self.context(run_id), **kwargs)


@pytest.fixture
def month(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Month]:
    made = Month(workload, tmp_path)
    made.may(kwh=1e-9)
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    monkeypatch.setenv("MILLRACE_CATALOGUE", str(made.catalogue))
    settings.load_settings.cache_clear()
    monkeypatch.setattr(approval, "upsert_hitl_detail", lambda **given: None)
    yield made
    settings.load_settings.cache_clear()


def test_within_the_budget_and_without_one_nobody_is_asked(month: Month) -> None:
    month.may(kwh=1)
    assert month.begin("first") == "done"
    month.catalogue.write_text(CATALOGUE.read_text())
    assert month.begin("second") == "done"


def test_past_it_a_person_is_asked_once(month: Month) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        month.begin("first")
    assert month.answer("first", waiting.value, "Approve") == "done"
    assert month.begin("first") == "done", "a next try asked again"
    with pytest.raises(TaskAwaitingInput):
        month.begin("second")


@pytest.mark.parametrize("about", ["", "the backfill's budget of 1 EUR", "too dear"])
def test_reworded_a_question_leads_where_it_led(month: Month, about: str) -> None:
    for run_id, option in (("first", "Approve"), ("second", "Reject")):
        with pytest.raises(TaskAwaitingInput) as waiting:
            month.begin(run_id)
        waiting.value.kwargs = {**(waiting.value.kwargs or {}), "about": about}
        if option == "Approve":
            assert month.answer(run_id, waiting.value, option) == "done"
            continue
        with pytest.raises(AirflowSkipException, match="not approved"):
            month.answer(run_id, waiting.value, option)
    assert {row["subject"] for row in month.ledger.audit() if row["action"] in ("approve", "reject")} == {
        "budget of team tests"
    }
    found = run_outcome({"plan_ingest": "skipped"}, month.ledger.try_reasons("flowers", "second", 0))
    assert (found.state, found.code) == ("rejected", "over_team_budget")


def test_a_question_from_before_there_were_codes_is_asked_again(month: Month) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        month.begin("first")
    waiting.value.kwargs = {"about": (waiting.value.kwargs or {})["about"]}
    with pytest.raises(TaskAwaitingInput) as again:
        month.answer("first", waiting.value, "Approve")
    assert month.answer("first", again.value, "Approve") == "done"


def test_a_no_and_a_refusal_end_the_run_as_rejected_with_the_reason(month: Month) -> None:
    with pytest.raises(TaskAwaitingInput) as waiting:
        month.begin("asked")
    with pytest.raises(AirflowSkipException, match="not approved, by ada"):
        month.answer("asked", waiting.value, "Reject")
    month.may(kwh=1e-9, action="refuse")
    with pytest.raises(AirflowSkipException, match="refused"):
        month.begin("refused")
    for run_id in ("asked", "refused"):
        found = run_outcome(
            {"plan_ingest": "skipped", "ingest": "skipped"}, month.ledger.try_reasons("flowers", run_id, 0)
        )
        assert found.state == "rejected"
        assert found.reason.startswith(
            "the team's budget, tests, does not hold this run: of 1e-09 kWh the month's other"
        )
    told = [(row["action"], row["outcome"], row["actor"]) for row in month.ledger.audit() if row["run_id"] == "refused"]
    assert ("budget", "refused", "flowers / refused") in told
    asked = [(row["action"], row["outcome"], row["actor"]) for row in month.ledger.audit() if row["run_id"] == "asked"]
    assert ("reject", "done", "ada") in asked


def test_a_warning_is_logged_and_the_run_goes_on(month: Month, caplog: pytest.LogCaptureFixture) -> None:
    month.may(kwh=1)
    month.begin("first")
    month.may(kwh=1e-9, action="warn")
    with caplog.at_level(logging.WARNING):
        assert month.begin("second") == "done"
    assert "the team's budget, tests, does not hold this run" in caplog.text
    month.may(kwh=1e-9)
    with pytest.raises(TaskAwaitingInput) as waiting:
        month.begin("third")
    taken, needed = re.findall(r"other runs take ([\d.e-]+), this one ([\d.e-]+)", str(waiting.value.kwargs))[0]
    assert float(taken) == pytest.approx(2 * float(needed), rel=1e-3), "what went past is not counted"


def test_a_budget_in_money_needs_the_sites_rates_and_its_name_to_be_right(month: Month) -> None:
    month.may(money=1)
    with pytest.raises(AirflowFailException, match="there is no price in money"):
        month.begin("first")
    month.may(kwhs=1)
    with pytest.raises(AirflowFailException, match=r"kwhs(?s:.*)teams.tests"):
        month.begin("first")


def test_what_a_team_took_is_printed(month: Month) -> None:
    month.may(kwh=1, gpu_hours=2)
    month.begin("first")
    spent = month.ledger.team_spending("tests", "local", f"{datetime.now(UTC):%Y-%m}", (0, 0))
    said = CliRunner().invoke(app, ["ledger", "teams"])
    assert said.output == f"tests  {datetime.now(UTC):%Y-%m}  {spent.kwh:,.4g} of 1 kwh, 0 of 2 gpu_hours\n"
    assert spent.kwh > 0


def test_a_catalogue_from_before_there_were_teams_has_none(month: Month) -> None:
    month.catalogue.write_text(CATALOGUE.read_text().replace("teams: {}", ""))
    assert month.begin("first") == "done"
