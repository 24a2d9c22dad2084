"""A run of a backfill that has a budget: what it takes out of it, when it asks a person, and what an answer does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from airflow.api_fastapi.execution_api.datamodels.hitl import HITLDetailRequest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from millrace import settings
from millrace.contracts.workload import ApprovalPolicy, Workload
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Budget
from millrace.orchestration import approval
from millrace.orchestration.operators.workload import WorkloadOperator
from millrace.policies import steps
from millrace.runs.outcome import run_outcome
from millrace.sizing.backfill import KWH, Delivery, in_unit, price_backfill
from millrace.sizing.catalogue import Site

DAY = datetime(2026, 3, 2, tzinfo=UTC)


class Backfill:
    """The first task of runs that name one budget; what they carried out, and what a person was asked."""

    def __init__(self, workload: Workload, home: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.ledger.migrate()
        self.done: list[str] = []
        self.questions: list[dict[str, Any]] = []
        self.person: str | None = None
        done = self.done

        class First(WorkloadOperator):
            def work(self, run: Any, context: Any) -> str:
                done.append(run.run_id)
                return "done"

        self.task = First(task_id="plan_ingest", admit=steps.data_within_budget, workload=workload)
        self.arrivals = home / "arrivals" / workload.name

    def budget(self, amount: float, predicted: float = 0.0, unit: str = "kWh") -> None:
        self.ledger.record_budget(Budget("b", "flowers", amount, unit, predicted, 1 / 3.6e6, 0))

    def context(self, number: int, budget: str | None = "b") -> Any:
        day = DAY + timedelta(days=number)
        run = {"dag_id": "flowers", "run_id": f"run-{number}", "run_type": SimpleNamespace(value="backfill")}
        params = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "budget": budget}
        return {
            "dag_run": SimpleNamespace(**run, data_interval_start=day, run_after=day, triggering_user_name=self.person),
            "params": params,
            "ti": SimpleNamespace(id=UUID(int=number), try_number=1, map_index=-1),
        }

    def deliver(self, *numbers: int) -> None:
        self.arrivals.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (self.arrivals / f"{(DAY + timedelta(days=number)).date()}.csv").write_text("id,width,kind\n1,2,rose\n")

    def begin(self, number: int, budget: str | None = "b") -> Any:
        return self.task.execute(self.context(number, budget))

    def answer(self, number: int, waiting: TaskAwaitingInput, option: str, **event: Any) -> Any:
        kwargs = {**(waiting.kwargs or {}), "event": {"chosen_options": [option], **event}}
        return getattr(self.task, waiting.method_name)(self.context(number), **kwargs)


@pytest.fixture
def backfill(workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backfill]:
    monkeypatch.setenv("MILLRACE_HOME", str(tmp_path))
    settings.load_settings.cache_clear()
    made = Backfill(workload, tmp_path)
    monkeypatch.setattr(
        approval, "upsert_hitl_detail", lambda **given: made.questions.append(HITLDetailRequest(**given).model_dump())
    )
    yield made
    settings.load_settings.cache_clear()


@pytest.fixture
def day_kwh(workload: Workload, backfill: Backfill) -> float:
    """What one day's data steps are predicted to take."""
    hardware = settings.load_settings().hardware("auto")
    size = len("id,width,kind\n1,2,rose\n")
    return in_unit(
        price_backfill([Delivery(DAY.date(), size)], [], hardware=hardware, site=Site(name="x"), max_active_runs=1), KWH
    ).p50


def test_a_run_past_the_budget_asks_before_it_spends_and_a_no_ends_it_with_the_reason(
    backfill: Backfill, day_kwh: float
) -> None:
    backfill.deliver(0, 1)
    backfill.budget(1.5 * day_kwh)
    assert backfill.begin(0) == "done"
    with pytest.raises(TaskAwaitingInput) as waiting:
        backfill.begin(1)
    assert waiting.value.timeout == timedelta(hours=24)
    (request,) = backfill.questions
    assert (request["options"], request["defaults"]) == (["Approve", "Approve the rest", "Reject"], ["Reject"])
    assert f"{day_kwh:,.4g}" in request["body"]
    with pytest.raises(AirflowSkipException, match=r"^the backfill's budget of .* kWh.*not approved, by ada"):
        backfill.answer(1, waiting.value, "Reject", responded_by_user={"id": "1", "name": "ada"})
    assert backfill.done == ["run-0"]
    reasons = backfill.ledger.try_reasons("flowers", "run-1", 0)
    assert run_outcome({"plan_ingest": "skipped", "ingest": "skipped"}, reasons).state == "rejected"


def test_a_yes_is_for_the_run_that_asked(backfill: Backfill, day_kwh: float) -> None:
    backfill.deliver(0, 1, 2)
    backfill.budget(1.5 * day_kwh)
    backfill.begin(0)
    with pytest.raises(TaskAwaitingInput) as waiting:
        backfill.begin(1)
    assert backfill.answer(1, waiting.value, "Approve") == "done"
    assert backfill.begin(1) == "done", "a next try asked again"
    with pytest.raises(TaskAwaitingInput):
        backfill.begin(2)


def test_or_for_the_rest(backfill: Backfill, day_kwh: float) -> None:
    backfill.deliver(0, 1, 2)
    backfill.budget(day_kwh, predicted=3 * day_kwh)
    with pytest.raises(TaskAwaitingInput) as waiting:
        backfill.begin(0)
    assert "was priced" in backfill.questions[0]["body"], "a backfill that breaks its budget begins"
    assert backfill.answer(0, waiting.value, "Approve the rest") == "done"
    assert [backfill.begin(number) for number in (1, 2)] == ["done", "done"]


def test_two_people_are_asked_where_the_workload_wants_them(backfill: Backfill, day_kwh: float) -> None:
    policy = ApprovalPolicy(two_people=True)
    backfill.task.workload = backfill.task.workload.model_copy(update={"approval": policy})
    backfill.person = "ada"
    backfill.deliver(0)
    backfill.budget(0.5 * day_kwh)
    with pytest.raises(TaskAwaitingInput) as waiting:
        backfill.begin(0)
    with pytest.raises(TaskAwaitingInput) as again:
        backfill.answer(0, waiting.value, "Approve", responded_by_user={"id": "1", "name": "ada"})
    assert (backfill.done, len(backfill.questions)) == ([], 2)
    assert backfill.answer(0, again.value, "Approve", responded_by_user={"id": "2", "name": "bob"}) == "done"
    rows = [row for row in reversed(backfill.ledger.audit()) if row["action"] != "settings"]
    assert [(row["action"], row["outcome"], row["subject"], row["actor"]) for row in rows] == [
        ("budget", "done", "b", "somebody"),
        ("trigger", "done", "run-0", "ada"),
        ("approve", "refused", "budget b", "ada"),
        ("approve", "done", "budget b", "bob"),
    ]


def test_nobodys_answer_is_a_no(backfill: Backfill, day_kwh: float) -> None:
    backfill.deliver(0)
    backfill.budget(0.5 * day_kwh)
    with pytest.raises(TaskAwaitingInput) as waiting:
        backfill.begin(0)
    with pytest.raises(AirflowSkipException, match="nobody answered within 24 h"):
        backfill.answer(0, waiting.value, "Reject", timedout=True)


def test_a_day_without_arrivals_spends_nothing_and_asks_nobody(backfill: Backfill) -> None:
    backfill.budget(1e-9, predicted=1)
    assert backfill.begin(0) == "done"


def test_money_of_a_site_without_rates_and_a_budget_that_nobody_recorded_are_refused(backfill: Backfill) -> None:
    backfill.deliver(0)
    backfill.budget(1, unit="EUR")
    with pytest.raises(AirflowFailException, match="no price in EUR"):
        backfill.begin(0)
    with pytest.raises(AirflowFailException, match="no budget 'c'"):
        backfill.begin(0, budget="c")
    assert backfill.begin(0, budget=None) == "done"
