"""What a team's runs of a month may take together."""

from collections.abc import Callable
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.measurement import MeterReading
from millrace.contracts.plan import Plan
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger import runs
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import BudgetClaim, Spending

KWH = 3.6e6
RATES = (0.01, 0.1)


def take(ledger: Ledger, run_id: str, kwh: float = 0.0, limits: dict[str, float] | None = None, **given: Any) -> Any:
    spending = Spending(kwh, given.pop("gpu_hours", 0.0), given.pop("money", None))
    options = {"name": "core", "site": "local", "rates": RATES, **given}
    claim = BudgetClaim("team", predicted=spending, limits=limits or {"kwh": 10}, **options)
    (found,) = ledger.reserve("dag", run_id, 0, [claim])
    return found.spent if found.past or not found.held else None


def take_one(url: str, run_id: str) -> bool:
    return take(Ledger(url), run_id, 2) is None


@pytest.fixture
def two_runs(open_run: Callable[..., int]) -> None:
    for run_id in ("first", "second"):
        open_run(run_id)


@pytest.fixture
def train(
    ledger: Ledger,
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    reading: Callable[..., MeterReading],
) -> Callable[..., None]:
    """A run's training, as it was measured."""

    def train(run_id: str, kwh: float, seconds: float = 10.0, end: bool = True) -> None:
        meter = reading(joules=kwh * KWH, wall_seconds=seconds)
        ledger.commit_report(key("train", run_id), report(meter=meter), "p")
        if end:
            ledger.close_run("dag", run_id, 0, state="success", reason="done")

    return train


def test_runs_side_by_side_take_what_is_there_and_no_more(
    url: str, ledger: Ledger, open_run: Callable[..., int], at_once: Callable[..., list[Any]]
) -> None:
    names = [f"run-{number}" for number in range(12)]
    for run_id in names:
        open_run(run_id)
    taken = at_once(take_one, [(url, run_id) for run_id in names])
    assert sum(taken) == 5


def test_what_ended_counts_as_measured_and_what_runs_as_predicted_or_as_it_is(
    ledger: Ledger,
    two_runs: None,
    train: Callable[..., None],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    reading: Callable[..., MeterReading],
) -> None:
    assert take(ledger, "first", 9) is None
    assert take(ledger, "first", 9) is None, "a run counted itself"
    assert take(ledger, "second", 2) == Spending(9, 0, 0)
    ledger.commit_report(key("ingest", "first"), report(meter=reading(joules=KWH)), "p")
    assert take(ledger, "second", 2).kwh == 9
    train("first", 8.5, end=False)
    assert take(ledger, "second", 1).kwh == pytest.approx(9.5)
    ledger.close_run("dag", "first", 0, state="success", reason="done")
    assert take(ledger, "second", 0.5) is None


def test_a_run_from_before_the_budget_counts_too(
    ledger: Ledger, two_runs: None, train: Callable[..., None], plan: Callable[..., Plan]
) -> None:
    ledger.store_plan("dag", "first", 0, plan(joules=8 * KWH))
    assert take(ledger, "second", 3).kwh == pytest.approx(8)
    train("first", 6)
    assert take(ledger, "second", 3) is None


def test_gpu_hours_are_the_trainings_and_money_is_by_the_plans_price_or_the_sites(
    ledger: Ledger,
    two_runs: None,
    train: Callable[..., None],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    reading: Callable[..., MeterReading],
) -> None:
    limits = {"gpu_hours": 10.0, "money": 1000.0}
    assert take(ledger, "first", limits=limits, gpu_hours=6, gpus=4) is None
    assert take(ledger, "second", limits=limits, gpu_hours=5).gpu_hours == 6
    ledger.commit_report(key("ingest", "first"), report(meter=reading(joules=0, wall_seconds=400)), "p")
    train("first", 0, seconds=3600)
    assert take(ledger, "second", limits=limits, gpu_hours=6.1).gpu_hours == pytest.approx(4)
    spent = ledger.team_spending("core", "local", ledger.run_summary()[0]["started_at"][:7], RATES)
    assert spent.money == pytest.approx(4000 * 0.1)
    assert take(ledger, "second", limits=limits, gpu_hours=1, money=601) == spent
    assert take(ledger, "second", limits=limits, gpu_hours=1, money=599) is None


def test_another_team_and_another_site_have_their_own(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run("first", team="another")
    open_run("second", site="another")
    open_run("third")
    assert take(ledger, "first", 9, name="another") is None
    assert take(ledger, "second", 9, site="another") is None
    assert take(ledger, "third", 9) is None


@pytest.mark.parametrize(
    ("other", "counts"),
    [("2026-12-31T23", True), ("2026-12-01T00", True), ("2027-01-01T00", False), ("2026-11-30T23", False)],
)
def test_a_run_belongs_to_the_month_in_which_it_began(
    ledger: Ledger, open_run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, other: str, counts: bool
) -> None:
    for run_id, hour in (("first", other), ("second", "2026-12-15T00")):
        monkeypatch.setattr(runs, "now", lambda hour=hour: f"{hour}:00:00.000000+00:00")
        open_run(run_id)
    assert take(ledger, "first", 9) is None
    assert (take(ledger, "second", 9) is None) is not counts


def test_a_yes_is_for_the_run_that_asked_and_a_warning_lets_it_past(
    ledger: Ledger, open_run: Callable[..., int]
) -> None:
    for run_id in ("first", "second", "third", "fourth"):
        open_run(run_id)
    assert take(ledger, "first", 9) is None
    assert take(ledger, "second", 9) is not None
    ledger.approve_spending("dag", "second", 0, "team", "core", "ada")
    assert ledger.reserve("dag", "second", 0, [BudgetClaim("team", "core", Spending(9, 0, 0), site="local")])[0].held
    assert take(ledger, "third", 1).kwh == 18
    assert take(ledger, "third", 1, lets_past=True).kwh == 18
    assert take(ledger, "fourth", 1).kwh == 19, "what went past with a warning was not counted"


def test_a_run_that_was_never_opened_is_refused(ledger: Ledger) -> None:
    with pytest.raises(BadInputError, match="does not know this run"):
        take(ledger, "unknown", 1)
