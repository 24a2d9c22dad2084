"""What the runs of one backfill may spend together."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.plan import Plan
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Budget, BudgetClaim, Spending

PER_JOULE, PER_SECOND = 0.01, 0.1


@pytest.fixture
def budget(ledger: Ledger) -> Callable[..., None]:
    def budget(amount: float, predicted: float = 0, unit: str = "EUR", per_second: float = PER_SECOND) -> None:
        ledger.record_budget(Budget("b", "dag", amount, unit, predicted, PER_JOULE, per_second))

    return budget


@pytest.fixture
def two_runs(budget: Callable[..., None], open_run: Callable[..., int]) -> None:
    """Side by side, with 10 EUR."""
    budget(10)
    for run_id in ("first", "second"):
        open_run(run_id)


def take(ledger: Ledger, run_id: str, predicted: float, repeat: int = 0) -> float | None:
    claim = BudgetClaim("backfill", "b", Spending(predicted, 0, predicted), units={"kWh": "kwh", "EUR": "money"})
    (found,) = ledger.reserve("dag", run_id, repeat, [claim])
    return None if found.held else found.spent.money or found.spent.kwh


def take_one(url: str, run_id: str) -> bool:
    return take(Ledger(url), run_id, 1) is None


def test_runs_side_by_side_take_what_is_there_and_no_more(
    url: str,
    ledger: Ledger,
    open_run: Callable[..., int],
    budget: Callable[..., None],
    at_once: Callable[..., list[Any]],
) -> None:
    budget(5)
    runs = [f"run-{number}" for number in range(12)]
    for run_id in runs:
        open_run(run_id)
    taken = at_once(take_one, [(url, run_id) for run_id in runs])
    assert sum(taken) == 5
    assert take(ledger, runs[taken.index(True)], 1) is None, "a run that has its part asked for it again"


def test_what_ended_counts_as_measured_and_what_runs_as_predicted(
    ledger: Ledger, two_runs: None, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    assert take(ledger, "first", 9) is None
    ledger.commit_report(key("ingest", "first"), report(), "p")  # 100 J and 10 s: 2 EUR
    assert take(ledger, "second", 8) == 9
    ledger.close_run("dag", "first", 0, state="success", reason="done")
    assert take(ledger, "second", 8.1) == pytest.approx(2)
    assert take(ledger, "second", 8) is None


def test_a_run_in_flight_that_used_more_than_was_predicted_counts_as_it_is(
    ledger: Ledger, two_runs: None, key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    assert take(ledger, "first", 1) is None
    ledger.commit_report(key("ingest", "first"), report(), "p")
    assert take(ledger, "second", 9) == pytest.approx(2)


def test_what_nobody_measured_counts_as_predicted(
    ledger: Ledger, open_run: Callable[..., int], budget: Callable[..., None]
) -> None:
    budget(10)
    for run_id in ("first", "second"):
        open_run(run_id)
    assert take(ledger, "first", 4) is None
    ledger.close_run("dag", "first", 0, state="failed", reason="lost")
    assert take(ledger, "second", 7) == 4


@pytest.mark.parametrize(("unit", "per_second", "spent"), [("EUR", PER_SECOND, 1 + 10 * 0.5), ("kWh", 0, 1)])
def test_money_is_by_the_plans_price_of_its_machines_and_energy_has_none(
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    plan: Callable[..., Plan],
    reading: Callable[..., MeterReading],
    budget: Callable[..., None],
    unit: str,
    per_second: float,
    spent: float,
) -> None:
    budget(10, unit=unit, per_second=per_second)
    for run_id in ("first", "second"):
        open_run(run_id)
    hourly = plan().hardware.model_copy(update={"price_per_hour": 0.25 * 3600})
    pair = {"seconds": {"p50": 20, "p90": 40}, "machine_seconds": {"p50": 40, "p90": 80}}
    ledger.store_plan("dag", "first", 0, plan(hardware=hourly, cost={"p50": 10, "p90": 20}, currency="EUR", **pair))
    assert take(ledger, "first", 0.1) is None
    ledger.commit_report(key("train", "first"), report(meter=reading()), "p")
    ledger.close_run("dag", "first", 0, state="success", reason="done")
    assert take(ledger, "second", 10) == pytest.approx(spent)


def test_a_backfill_priced_above_its_budget_takes_nothing_until_a_person_lets_it(
    ledger: Ledger, open_run: Callable[..., int], budget: Callable[..., None]
) -> None:
    budget(5, predicted=6)
    for run_id in ("first", "second", "third"):
        open_run(run_id)
    assert take(ledger, "first", 1) == 0
    ledger.approve_spending("dag", "first", 0, "backfill", "b", "ada")
    assert take(ledger, "first", 1) is None
    assert take(ledger, "second", 1) == 1, "a yes is for the run that asked"
    ledger.approve_spending("dag", "second", 0, "backfill", "b", "ada", rest=True)
    assert take(ledger, "third", 100) is None
    (found,) = ledger.reserve("dag", "first", 0, [BudgetClaim("backfill", "b", Spending(0, 0, 0))])
    assert found.budget is not None
    assert found.budget.lifted_by == "ada"


def test_a_repeat_of_a_run_is_counted_beside_the_run(
    ledger: Ledger, open_run: Callable[..., int], budget: Callable[..., None]
) -> None:
    budget(10)
    open_run()
    assert take(ledger, "run", 6) is None
    ledger.approve_spending("dag", "run", 0, "backfill", "b", "ada")
    ledger.close_run("dag", "run", 0, state="failed", reason="lost")
    assert open_run() == 1
    assert take(ledger, "run", 6, repeat=1) == 6, "a yes is for one repeat"


def test_a_name_that_nobody_gave_is_refused(
    ledger: Ledger, open_run: Callable[..., int], budget: Callable[..., None]
) -> None:
    open_run()
    with pytest.raises(BadInputError, match=r"no budget 'b'(?s:.*)price-backfill"):
        take(ledger, "run", 1)
    ledger.record_budget(Budget("b", "another", 5, "EUR", 0, PER_JOULE, PER_SECOND))
    with pytest.raises(BadInputError, match="no budget 'b'"):
        take(ledger, "run", 1)


def test_a_budget_in_a_unit_without_a_prediction_holds_nothing(
    ledger: Ledger, open_run: Callable[..., int], budget: Callable[..., None]
) -> None:
    open_run()
    budget(5, unit="USD")
    (found,) = ledger.reserve(
        "dag", "run", 0, [BudgetClaim("backfill", "b", Spending(1, 0, 1), units={"EUR": "money"})]
    )
    assert not found.held
