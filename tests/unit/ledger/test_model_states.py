"""A verdict belongs to its run: what one turned down another may judge; what a person took back waits for a person."""

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from millrace.contracts.errors import BadInputError, RefusedError
from millrace.contracts.report import ExportResult, Report
from millrace.contracts.run_spec import TryKey
from millrace.contracts.serving import Verdict
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey
from millrace.storage.packaged import SQL

DAY = date(2024, 3, 1)
ADA = Actor("Ada in Airflow's UI")


def by(run_id: str, repeat: int = 0) -> Actor:
    return Actor.of(RunKey("dag", run_id, repeat))


def state(ledger: Ledger, version: str) -> str:
    found = ledger.model("news", version)
    assert found is not None
    return found.state


def told(ledger: Ledger, version: str) -> list[tuple[str, str, str | None]]:
    rows = [row for row in ledger.model_events("news") if row["version"] == version]
    return [(row["event"], row["actor"], row["from_state"]) for row in rows]


def test_what_one_run_turned_down_another_may_judge_and_promote(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1")
    ledger.reject("news", "v1", "0.61 is below the floor 0.70", by=by("first"))
    assert state(ledger, "v1") == "rejected"
    ledger.readmit("news", "v1", "pass", by=by("second"))
    assert state(ledger, "v1") == "candidate"
    assert ledger.promote("news", "v1", by=by("second")) is None
    assert told(ledger, "v1") == [
        ("registered", "dag / run-v1", None),
        ("rejected", "dag / first", None),
        ("readmitted", "dag / second", "rejected"),
        ("promoted", "dag / second", None),
    ]


def test_a_repeat_is_another_run_and_the_same_repeat_must_judge_anew(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1")
    ledger.reject("news", "v1", "a canary step failed", by=by("first"))
    with pytest.raises(RefusedError, match="turned the version down: a canary step failed") as caught:
        ledger.readmit("news", "v1", "rolled out", by=by("first"))
    assert "clear the task gate" in caught.value.remedy
    with pytest.raises(RefusedError, match="turned the version down"):
        ledger.promote("news", "v1", by=by("first"))
    assert state(ledger, "v1") == "rejected"
    ledger.readmit("news", "v1", "rolled out", by=by("first", repeat=1))
    ledger.reject("news", "v1", "again", by=by("first", repeat=1))
    ledger.readmit("news", "v1", "judged anew", by=by("first", repeat=1), anew=True)
    ledger.readmit("news", "v1", "rolled out", by=by("first", repeat=1))
    assert state(ledger, "v1") == "candidate"


def test_two_runs_with_the_same_version_do_not_undo_each_other(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1")
    ledger.readmit("news", "v1", "rolled out", by=by("loose"))
    ledger.reject("news", "v1", "below the floor", by=by("strict"))  # meanwhile
    ledger.promote("news", "v1", by=by("loose"))
    assert state(ledger, "v1") == "live"
    ledger.reject("news", "v1", "below the floor", by=by("strict"))  # its verdict, which changes nothing that is live
    assert state(ledger, "v1") == "live"


def test_what_a_person_took_back_stays_away_until_a_person_readmits_it(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1")
    ledger.promote("news", "v1", by=by("first"))
    assert ledger.revert("news", "v1", "it insults people", by=ADA) is None
    for attempt in (
        lambda: ledger.readmit("news", "v1", "pass", by=by("second"), anew=True),
        lambda: ledger.promote("news", "v1", by=by("second")),
    ):
        with pytest.raises(
            RefusedError, match=r"rolled back by Ada in Airflow's UI at \d{4}-.* UTC: it insults"
        ) as caught:
            attempt()
        assert "page Models" in caught.value.remedy
    with pytest.raises(RefusedError, match="readmit it first"):
        ledger.promote("news", "v1", by=ADA)
    assert state(ledger, "v1") == "rolled_back"
    assert ledger.live_model("news") is None
    ledger.readmit("news", "v1", "the complaint was about another service", by=ADA)
    ledger.promote("news", "v1", by=by("second"))
    assert state(ledger, "v1") == "live"


def test_what_a_run_took_back_another_may_try_unless_a_person_bars_it_then(
    ledger: Ledger, train_model: Callable[..., None]
) -> None:
    train_model("v1")
    ledger.promote("news", "v1", by=by("first"))
    ledger.revert("news", "v1", "p99 doubled", by=by("first"))
    ledger.readmit("news", "v1", "pass", by=by("second"), anew=True)
    assert state(ledger, "v1") == "candidate"
    ledger.revert("news", "v1", "p99 doubled", by=by("second"))
    ledger.revert("news", "v1", "enough", by=ADA)
    ledger.revert("news", "v1", "enough", by=ADA)
    assert [event for event, actor, _ in told(ledger, "v1") if actor == ADA.name] == ["rolled_back"]
    with pytest.raises(RefusedError, match="enough"):
        ledger.readmit("news", "v1", "pass", by=by("third"), anew=True)


def test_a_person_may_bar_what_was_only_rejected(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    ledger.reject("news", "v1", "floor", by=by("first"))
    with pytest.raises(RefusedError, match="never went live"):
        ledger.revert("news", "v1", "x", by=by("first"))
    ledger.revert("news", "v1", "trained on what it must not see", by=ADA)
    with pytest.raises(RefusedError, match="must not see"):
        ledger.promote("news", "v1", by=by("second"))


def test_a_version_that_was_live_stays_one_to_go_back_to(ledger: Ledger, train_model: Callable[..., None]) -> None:
    for version in ("v1", "v2"):
        train_model(version)
        ledger.promote("news", version, by=by(version))
    ledger.readmit("news", "v1", "pass", by=by("again"), anew=True)
    assert ledger.revert("news", "v2", "worse", by=ADA) == "v1"  # while v1 is being judged once more
    train_model("v3")
    ledger.promote("news", "v3", by=by("v3"))
    ledger.readmit("news", "v1", "pass", by=by("again"), anew=True)
    ledger.reject("news", "v1", "slower than v3", by=by("again"))
    assert state(ledger, "v1") == "retired"
    assert ledger.revert("news", "v3", "worse", by=ADA) == "v1"


def test_going_back_and_forth_ends(ledger: Ledger, train_model: Callable[..., None]) -> None:
    """Each of two versions has gone live in place of the other."""
    for version in ("v1", "v2"):
        train_model(version)
        ledger.promote("news", version, by=by(version))
    ledger.promote("news", "v1", by=by("again"))
    assert ledger.revert("news", "v1", "worse", by=ADA) == "v2"
    assert ledger.revert("news", "v2", "worse", by=ADA) is None


def test_rejections_are_kept_once_a_run(ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    for run_id in ("first", "first", "second", "second"):
        ledger.reject("news", "v1", "floor", by=by(run_id))
    assert [actor for event, actor, _ in told(ledger, "v1") if event == "rejected"] == ["dag / first", "dag / second"]
    with pytest.raises(BadInputError, match="v9"):
        ledger.promote("news", "v9", by=by("first"))


def test_swept_files_are_made_again_before_they_are_served(
    ledger: Ledger,
    train_model: Callable[..., None],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    exported: Callable[..., ExportResult],
) -> None:
    train_model("v1")
    ledger.reject("news", "v1", "floor", by=by("first"))
    assert ledger.sweep_model("news", "v1")
    for anybody in (by("second"), ADA):
        with pytest.raises(RefusedError, match="were swept"):
            ledger.readmit("news", "v1", "pass", by=anybody, anew=True)
    assert ledger.kept_models() == []
    ledger.commit_report(key("export", "run-v1", try_number=2), report(exported("v1")), "p3")
    ledger.readmit("news", "v1", "pass", by=by("second"), anew=True)
    assert [row["version"] for row in ledger.kept_models()] == ["v1"]  # a sweep knows it again, and leaves it
    assert not ledger.sweep_model("news", "v1")


def test_the_newest_verdict_is_that_of_the_newest_repeat_with_one(ledger: Ledger, open_run: Callable[..., int]) -> None:
    assert ledger.newest_verdict("dag", "run") is None
    for outcome in ("fail", "pass"):
        repeat = open_run()
        ledger.record_verdict("dag", "run", repeat, Verdict.model_validate({"outcome": outcome, "reasons": ["r"]}))
        ledger.close_run("dag", "run", repeat, state="success", reason="x")
    open_run()
    found = ledger.newest_verdict("dag", "run")
    assert found is not None
    assert found.outcome == "pass"


def test_events_from_before_know_who_was_a_person(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    connection = sqlite3.connect(file)
    for migration in sorted((SQL / "migrations").glob("*.sql")):
        if migration.stem == "0013_model_verdicts":
            connection.execute("PRAGMA foreign_keys = OFF")
            insert = "INSERT INTO model_events VALUES (?, ?, ?, ?, ?, ?, ?)"
            connection.execute(insert, ("news", 1, "v1", "rolled_back", "Ada in Airflow's UI", "why", "2024"))
            connection.execute(insert, ("news", 2, "v1", "rejected", "millrace", "floor", "2024"))
        connection.executescript(migration.read_text())
    found = connection.execute("SELECT actor, by_person, run_id FROM model_events ORDER BY sequence").fetchall()
    assert found == [("Ada in Airflow's UI", 1, None), ("millrace", 0, None)]
