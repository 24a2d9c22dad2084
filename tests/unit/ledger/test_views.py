"""What pages read is what runs did, at once and however they end."""

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

from millrace.contracts.plan import Plan
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.ledger.views import RunFilter

ALL = RunFilter(("dag",))


def test_figures_follow_every_commit(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report],
    reading: Callable[..., Any], plan: Callable[..., Plan],
) -> None:  # fmt: skip
    repeat = open_run()
    assert ledger.views.runs(ALL)[0]["measured_joules"] is None
    ledger.store_plan("dag", "run", repeat, plan(joules=100.0))
    ledger.commit_report(key("ingest"), report(), "p1")
    assert ledger.views.runs(ALL)[0]["measured_joules"] == 100
    ledger.commit_lost_try(key("train"), reading(joules=50.0), "p2", "killed")
    row = ledger.views.runs(ALL)[0]
    assert (row["measured_joules"], row["joules_error"], row["state"]) == (150, None, "running")
    ledger.close_run("dag", "run", repeat, state="success", reason="done")
    row = ledger.views.runs(ALL)[0]
    assert (row["joules_error"], row["state"]) == (0.5, "success")
    assert ledger.views.runs(RunFilter(("dag",), state="success"))[0]["run_id"] == "run"


def test_what_ended_early_has_no_error_against_its_prediction(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report],
    plan: Callable[..., Plan],
) -> None:  # fmt: skip
    repeat = open_run()
    ledger.store_plan("dag", "run", repeat, plan())
    ledger.commit_report(key("ingest"), report(), "p1")
    ledger.close_run("dag", "run", repeat, state="failed", reason="broken")
    row = ledger.views.runs(ALL)[0]
    assert (row["seconds_error"], row["joules_error"]) == (None, None)


def test_a_repeat_is_a_row_of_its_own(ledger: Ledger, open_run: Callable[..., int]) -> None:
    for _ in range(2):
        ledger.close_run("dag", "run", open_run(), state="success", reason="done")
    assert [row["repeat"] for row in ledger.views.runs(ALL)] == [1, 0]
    assert [row["repeat"] for row in ledger.views.repeats("dag", "run")] == [1, 0]


def test_a_day_holds_all_of_its_runs_even_when_they_end_together(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report]
) -> None:
    runs = [f"run-{number}" for number in range(8)]
    for run_id in runs:
        open_run(run_id)
    reports = {run_id: report() for run_id in runs}

    def commit(run_id: str) -> None:
        ledger.commit_report(key("ingest", run_id), reports[run_id], "p")

    threads = [threading.Thread(target=commit, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (day,) = ledger.views.energy_by_day(["dag"], date(2000, 1, 1))
    assert (day["runs"], day["joules"], day["unmeasured"]) == (8, 800, 0)
    assert day["estimated_joules"] == 800


def test_dags_are_found_by_leaps(ledger: Ledger, open_run: Callable[..., int]) -> None:
    assert ledger.views.dags() == []
    open_run()
    open_run("other")
    assert ledger.views.dags() == ["dag"]
    assert ledger.views.energy_by_day([], date(2000, 1, 1)) == []


def test_models_come_with_what_made_them(ledger: Ledger, train_model: Callable[..., None]) -> None:
    for version in ("v1", "v2"):
        train_model(version)
    newest, older = ledger.views.models("news")
    assert (newest["version"], older["version"]) == ("v2", "v1")
    assert newest["measured_joules"] == 200
    assert newest["micro_f1"] is None
    assert [row["version"] for row in ledger.views.models("news", (newest["created_at"], "v2"))] == ["v1"]
    ledger.promote("news", "v1", by=Actor.of(RunKey("dag", "run-v1", 0)))
    assert [row["version"] for row in ledger.views.live_models(["dag"])] == ["v1"]
    assert [event["event"] for event in ledger.views.model_events("news", 1)] == ["promoted"]
