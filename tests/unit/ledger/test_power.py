"""A site's watts: taken by no more runs than its cap holds, in the order in which they asked."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger import reservations
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import PowerClaim, Reserved

CAP = 1000.0
HOUR = timedelta(hours=1)


def claim(ledger: Ledger, run_id: str, watts: float, lasts: timedelta = HOUR, site: str = "local") -> Reserved:
    (found,) = ledger.reserve("dag", run_id, 0, [PowerClaim(site, watts, CAP, lasts)])
    return found


def claim_one(url: str, run_id: str) -> bool:
    return claim(Ledger(url), run_id, 200).held


@pytest.fixture
def runs(open_run: Callable[..., int]) -> list[str]:
    names = [f"run-{number:02}" for number in range(12)]
    for name in names:
        open_run(name)
    return names


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """The ledger's clock goes on."""
    ahead = timedelta()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + ahead

    def pass_time(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    monkeypatch.setattr(reservations, "datetime", Clock)
    return pass_time


def test_runs_side_by_side_take_what_the_cap_holds_and_no_more(
    url: str, ledger: Ledger, runs: list[str], at_once: Callable[..., list[Any]]
) -> None:
    taken = at_once(claim_one, [(url, run_id) for run_id in runs])
    assert sum(taken) == 5
    again = claim(ledger, runs[taken.index(True)], 200)
    assert again.held, "a run that has its watts asked for them again"
    assert again.drawn_watts == 800


def test_who_asked_first_begins_first_also_where_a_smaller_one_would_fit(ledger: Ledger, runs: list[str]) -> None:
    assert claim(ledger, "run-00", 700).held
    large = claim(ledger, "run-01", 600)
    small = claim(ledger, "run-02", 100)
    assert (large.held, large.drawn_watts, large.ahead) == (False, 700, 0)
    assert (small.held, small.drawn_watts, small.ahead) == (False, 700, 1)
    ledger.close_run("dag", "run-00", 0, state="failed", reason="lost")
    assert not claim(ledger, "run-02", 100).held, "it overtook the large one"
    assert claim(ledger, "run-01", 600).held
    assert claim(ledger, "run-02", 100).held
    assert claim(ledger, "run-01", 600).asked_at == large.asked_at


def test_watts_are_given_back_with_the_trainings_commit_and_kept_over_its_tries(
    ledger: Ledger, runs: list[str], key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    assert claim(ledger, "run-00", 900).held
    ledger.commit_report(key("train", "run-00"), report(outcome="interrupted", reason="evicted"), "p1")
    ledger.commit_report(key("train", "run-00"), report(outcome="failed", exit_code=20), "p2")
    ledger.commit_report(key("export", "run-00"), report(), "p3")
    assert not claim(ledger, "run-01", 200).held
    ledger.commit_report(key("train", "run-00", try_number=2), report(), "p4")
    assert claim(ledger, "run-01", 200).held


def test_a_site_has_its_own_watts(ledger: Ledger, runs: list[str]) -> None:
    assert claim(ledger, "run-00", 900).held
    assert claim(ledger, "run-01", 900, site="another").held


def test_who_no_longer_looks_lets_others_pass_and_keeps_its_place(
    ledger: Ledger, runs: list[str], pass_time: Callable[[timedelta], None]
) -> None:
    assert claim(ledger, "run-00", 600).held
    first = claim(ledger, "run-01", 600)
    assert claim(ledger, "run-02", 300).ahead == 1
    pass_time(timedelta(minutes=16))
    assert claim(ledger, "run-02", 300).held
    assert claim(ledger, "run-03", 600).ahead == 0
    assert claim(ledger, "run-01", 600).asked_at == first.asked_at
    assert claim(ledger, "run-03", 600).ahead == 1


def test_watts_of_a_run_that_nobody_ends_come_back_after_their_time(
    ledger: Ledger, runs: list[str], pass_time: Callable[[timedelta], None]
) -> None:
    assert claim(ledger, "run-00", 900).held
    pass_time(timedelta(minutes=59))
    assert not claim(ledger, "run-01", 900).held
    pass_time(timedelta(minutes=2))
    assert claim(ledger, "run-01", 900).held
    assert not claim(ledger, "run-00", 900).held, "its next try took what another has by now"
    assert claim(ledger, "run-02", 100).ahead == 1, "it waits like the others"


def test_a_run_that_was_never_opened_draws_nothing(ledger: Ledger) -> None:
    with pytest.raises(BadInputError):
        claim(ledger, "unknown", 1)
