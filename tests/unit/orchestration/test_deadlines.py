"""When a run ought to be over, by what was planned for its DAG."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.contracts.errors import TransientError
from millrace.contracts.plan import Plan, PlannedStart
from millrace.ledger.ledger import Ledger
from millrace.orchestration import deadlines

MADE_AT = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.settings.load_settings", lambda: SimpleNamespace(ledger=lambda: ledger))


def allowed(dag_id: str = "dag") -> timedelta | None:
    """From now until the deadline."""
    finish = deadlines.PredictedFinish()._evaluate_with(session=None, dag_id=dag_id)
    return None if finish is None else finish - datetime.now(UTC)


def about(**given: float) -> Any:
    return pytest.approx(timedelta(**given), abs=timedelta(seconds=5))


def test_it_is_the_newest_plans_and_there_is_none_before_the_first(
    ledger: Ledger, open_run: Callable[..., int], plan: Callable[..., Plan]
) -> None:
    assert allowed() is None
    for run_id, seconds in (("older", 40), ("newer", 4000)):
        ledger.store_plan("dag", run_id, open_run(run_id), plan(seconds={"p50": 20, "p90": seconds}))
    open_run("has no plan yet")
    assert allowed() == about(seconds=4000)
    assert allowed("another") is None


def test_a_workload_that_waits_for_hours_has_until_they_end(
    ledger: Ledger, open_run: Callable[..., int], plan: Callable[..., Plan]
) -> None:
    start = PlannedStart(
        at=MADE_AT + timedelta(hours=4),
        deadline=MADE_AT + timedelta(hours=12),
        prefer="carbon",
        saves_share=0.3,
        rates="the catalogue's",
        reason="cleaner",
    )
    ledger.store_plan("dag", "run", open_run(), plan(made_at=MADE_AT, start=start))
    assert allowed() == about(hours=12)


def test_a_ledger_that_is_away_keeps_no_run_from_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise TransientError("away", where="ledger", rule="answers", remedy="start it")

    monkeypatch.setattr("millrace.settings.load_settings", lambda: SimpleNamespace(ledger=away))
    assert allowed() is None
