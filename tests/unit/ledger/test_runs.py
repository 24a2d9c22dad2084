"""Runs: repeats, endings, verdicts, and names that mean harm."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from millrace.contracts.errors import BadInputError
from millrace.contracts.report import Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.serving import Verdict
from millrace.ledger.ledger import Ledger

DAY = date(2024, 3, 1)
HOSTILE = ["'; DROP TABLE runs; --", 'a"b', "%s %(x)s :dag_id", "../..", "naïve ✓ \\ \n", "a;b"]


def test_a_run_stays_open_until_it_is_closed(ledger: Ledger, open_run: Callable[..., int]) -> None:
    assert [open_run(), open_run()] == [0, 0]
    ledger.close_run("dag", "run", 0, state="success", reason="live")
    assert [open_run(), open_run()] == [1, 1]
    states = [(row["repeat"], row["state"]) for row in ledger.run_summary(run_id="run")]
    assert sorted(states) == [(0, "success"), (1, "running")]


def test_runs_do_not_share_repeats(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run("one")
    ledger.close_run("dag", "one", 0, state="failed", reason="x")
    assert (open_run("one"), open_run("two")) == (1, 0)


def test_the_first_ending_stays(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    ledger.close_run("dag", "run", 0, state="failed", reason="disk full", decision=None)
    ledger.close_run("dag", "run", 0, state="success", reason="no")
    row = ledger.run_summary()[0]
    assert (row["state"], row["reason"]) == ("failed", "disk full")
    assert row["finished_at"] > row["started_at"]


@pytest.mark.parametrize(("state", "reason"), [("success", ""), ("success", " \n"), ("running", "x"), ("done", "x")])
def test_an_ending_needs_a_terminal_state_and_a_reason(
    ledger: Ledger, open_run: Callable[..., int], state: str, reason: str
) -> None:
    open_run()
    with pytest.raises(BadInputError):
        ledger.close_run("dag", "run", 0, state=state, reason=reason)
    assert ledger.run_summary()[0]["state"] == "running"


def test_an_unknown_run_is_no_run(ledger: Ledger, key: Callable[..., TryKey], report: Callable[..., Report]) -> None:
    with pytest.raises(BadInputError, match="nowhere"):
        ledger.close_run("dag", "nowhere", 0, state="failed", reason="x")
    with pytest.raises(BadInputError, match="nowhere"):
        ledger.commit_report(key("ingest", "nowhere"), report(), "p")


def test_the_verdict_is_the_decision(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run()
    assert ledger.verdict("dag", "run", 0) is None
    verdict = Verdict(outcome="inconclusive", reasons=("too few rows",))
    ledger.record_verdict("dag", "run", 0, verdict)
    ledger.close_run("dag", "run", 0, state="rejected", reason="nobody approved")
    assert ledger.verdict("dag", "run", 0) == verdict
    assert ledger.run_summary()[0]["decision"] == "inconclusive"


def test_open_runs(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run("one")
    open_run("two", workload="other")
    open_run("three")
    ledger.close_run("dag", "one", 0, state="skipped", reason="no new data")
    assert [row["run_id"] for row in ledger.open_runs()] == ["two", "three"]
    assert [row["run_id"] for row in ledger.open_runs("other")] == ["two"]


def test_summaries_are_found_and_limited(ledger: Ledger, open_run: Callable[..., int]) -> None:
    for run_id in ("one", "two", "three"):
        open_run(run_id)
    assert [row["run_id"] for row in ledger.run_summary(limit=2)] == ["three", "two"]
    assert [row["run_id"] for row in ledger.run_summary(dag_id="dag", run_id="one")] == ["one"]
    assert ledger.run_summary(dag_id="other") == []


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_values(
    ledger: Ledger, open_run: Callable[..., int], key: Callable[..., TryKey], report: Callable[..., Report], name: str
) -> None:
    open_run("bystander")
    assert open_run(name, workload=name, team=name) == 0
    ledger.commit_report(key(name, name), report(reason=f"{name}\0"), name)
    ledger.close_run("dag", name, 0, state="failed", reason=f"{name}\0", decision=name)
    row = ledger.run_summary(run_id=name)[0]
    assert (row["workload"], row["team"], row["decision"]) == (name, name, name)
    assert row["reason"].startswith(name.strip())
    assert ledger.try_reasons("dag", name, 0)[name].text.startswith(name)
    assert ledger.settled_partitions(name, DAY, DAY) == {DAY: "failed"}
    assert [row["run_id"] for row in ledger.open_runs()] == ["bystander"]


def test_a_failed_run_leaves_no_day_open(ledger: Ledger, open_run: Callable[..., int]) -> None:
    open_run(first=DAY, last=DAY + timedelta(days=1))
    ledger.close_run("dag", "run", 0, state="failed", reason="ingest timed out")
    assert set(ledger.settled_partitions("news", DAY, DAY + timedelta(days=9)).values()) == {"failed"}
    assert ledger.partition_rows("news", DAY, DAY)[0]["reason"] == "ingest timed out"
