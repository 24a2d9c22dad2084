"""What a Prometheus is told is what the ledger knows, and nothing where it does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from millrace.contracts.plan import Plan
from millrace.contracts.reasons import ReasonCode
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.serving import Verdict
from millrace.ledger import reservations
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, Budget, BudgetClaim, RunKey, Spending
from millrace.telemetry.exporter import LedgerCollector

NEWS = {"workload": "news"}
RUN = {**NEWS, "run_id": "run"}


@pytest.fixture
def scrape(ledger: Ledger) -> Callable[..., Any]:
    """The value of a gauge by its name and labels; None where it has no such series."""
    registry = CollectorRegistry()
    registry.register(LedgerCollector(ledger))
    return lambda name, labels=None: registry.get_sample_value(f"millrace_{name}", labels or {})


def names(ledger: Ledger) -> set[str]:
    return {family.name.removeprefix("millrace_") for family in LedgerCollector(ledger).collect() if family.samples}


def unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_run_that_only_began_has_no_figures(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    assert names(ledger) == {"ledger_up", "recent_runs", "run_last_progress_timestamp_seconds"}


def test_a_run_in_flight_is_heard_of_at_its_plan_and_at_every_try(
    ledger: Ledger, scrape: Callable[..., Any], open_run: Callable[..., int], plan: Callable[..., Plan],
    key: Callable[..., TryKey], report: Callable[..., Report],
) -> None:  # fmt: skip
    repeat = open_run()
    heard = [scrape("run_last_progress_timestamp_seconds", RUN)]
    ledger.store_plan("dag", "run", repeat, plan())
    heard.append(scrape("run_last_progress_timestamp_seconds", RUN))
    ledger.commit_report(key("train"), report(), "p")
    heard.append(scrape("run_last_progress_timestamp_seconds", RUN))
    assert heard == sorted(set(heard))
    assert heard[-1] == unix(ledger.tries("dag", "run", repeat)[0]["committed_at"])
    assert scrape("run_predicted_seconds", RUN) == 20
    assert "recent_run_seconds" not in names(ledger), "it has not ended"


def test_what_a_run_took_is_beside_what_was_predicted(
    ledger: Ledger, scrape: Callable[..., Any], train_model: Callable[..., None]
) -> None:
    train_model("v1")
    verdict = Verdict(outcome="pass", reasons=("good",))
    ledger.record_verdict("dag", "run-v1", 0, verdict)
    ledger.promote("news", "v1", by=Actor.of(RunKey("dag", "run-v1", 0)))
    ledger.close_run("dag", "run-v1", 0, state="success", reason="done", decision="pass")
    found = {
        name: (scrape(f"last_run_predicted_{name}", NEWS), scrape(f"last_run_measured_{name}", NEWS))
        for name in ("seconds", "joules", "peak_memory_bytes")
    }
    assert found == {"seconds": (20, 20), "joules": (50, 200), "peak_memory_bytes": (2000, 1000)}
    assert scrape("last_verdict_info", {**NEWS, "outcome": "pass"}) == 1
    ended = unix(ledger.run_summary()[0]["finished_at"])
    assert scrape("last_run_end_timestamp_seconds", {**NEWS, "state": "success"}) == ended
    (live,) = ledger.views.live_models(["dag"])
    assert scrape("live_version_promoted_timestamp_seconds", {**NEWS, "version": "v1"}) == unix(live["promoted_at"])
    assert "run_last_progress_timestamp_seconds" not in names(ledger), "it has ended"


def test_a_later_run_that_ended_early_hides_no_figures(
    ledger: Ledger, scrape: Callable[..., Any], train_model: Callable[..., None], open_run: Callable[..., int]
) -> None:
    train_model("v1")
    ledger.close_run("dag", "run-v1", 0, state="success", reason="done")
    ledger.close_run("dag", "later", open_run("later"), state="skipped", reason="no file")
    assert scrape("last_run_measured_seconds", NEWS) == 20
    assert scrape("recent_runs", {**NEWS, "state": "skipped"}) == 1


def test_ended_runs_are_counted_by_why_they_ended_and_never_by_what_was_said(
    ledger: Ledger, scrape: Callable[..., Any], open_run: Callable[..., int]
) -> None:
    for number in range(3):
        end: dict[str, Any] = {"state": "rejected", "reason": f"too dear by {number}", "code": ReasonCode.OVER_BUDGET}
        ledger.close_run("dag", f"run-{number}", open_run(f"run-{number}"), **end)
    ledger.close_run("dag", "older", open_run("older"), state="failed", reason="of before there were codes")
    open_run("under way")
    found = {code: scrape("recent_run_ends", {**NEWS, "reason_code": code}) for code in ("over_budget", "unknown")}
    assert found == {"over_budget": 3, "unknown": 1}


def test_energy_is_told_by_who_measured_it_and_how_much_sensors_saw(
    ledger: Ledger, scrape: Callable[..., Any], open_run: Callable[..., int], key: Callable[..., TryKey],
    report: Callable[..., Report], reading: Callable[..., Any],
) -> None:  # fmt: skip
    for run_id, method, coverage in (("a", "rapl", 0.9), ("b", "estimated", 0.0)):
        repeat = open_run(run_id)
        meter = reading(energy_method=method, energy_coverage=coverage)
        ledger.commit_report(key("train", run_id), report(meter=meter), "p")
        ledger.close_run("dag", run_id, repeat, state="failed", reason="broken")
    assert scrape("recent_run_seconds", NEWS) == 20
    assert scrape("recent_run_sensor_seconds", NEWS) == pytest.approx(9)
    assert scrape("recent_run_joules", {**NEWS, "energy_method": "rapl"}) == 100
    assert scrape("recent_run_joules", {**NEWS, "energy_method": "estimated"}) == 100
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert ledger.views.recent(["dag"], later) == []


def test_a_budget_is_told_while_runs_ask_for_it(
    ledger: Ledger, scrape: Callable[..., Any], open_run: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record_budget(Budget("b", "dag", 10, "EUR", 5, 0.01, 0.1))
    repeat = open_run()
    assert "budget_spent_ratio" not in names(ledger), "no run has asked for any of it"
    claims = [BudgetClaim("backfill", "b", Spending(0, 0, 9), units={"EUR": "money"})]
    ledger.reserve("dag", "run", repeat, claims)
    labels = {"workload": "dag", "budget": "b", "unit": "EUR"}
    assert scrape("budget_spent_ratio", {**labels, "lifted": "false"}) == pytest.approx(0.9)
    ledger.approve_spending("dag", "run", repeat, "backfill", "b", "ada", rest=True)
    assert scrape("budget_spent_ratio", {**labels, "lifted": "true"}) == pytest.approx(0.9)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=2)

    monkeypatch.setattr(reservations, "datetime", Clock)
    ledger.reserve("dag", "run", repeat, claims)
    assert "budget_spent_ratio" not in names(ledger)


def test_a_ledger_that_is_away_is_said_and_nothing_else() -> None:
    away = Ledger("sqlite:////nowhere/ledger.db")
    (family,) = LedgerCollector(away).collect()
    assert [(sample.name, sample.value) for sample in family.samples] == [("millrace_ledger_up", 0)]
