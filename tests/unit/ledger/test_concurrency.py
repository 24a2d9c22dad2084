"""Several processes at once: one repeat, one live model, the newest data's, and no count that is off."""

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from millrace.contracts.data import StagedPartition
from millrace.contracts.errors import RefusedError
from millrace.contracts.report import Report, ValidateResult
from millrace.contracts.run_spec import TryKey
from millrace.ledger.database import Database
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor, RunKey

DAY = date(2024, 3, 1)


def open_one(url: str) -> int:
    return Ledger(url).open_run(
        "dag",
        "run",
        workload="news",
        team="core",
        site="local",
        partition_first=DAY,
        partition_last=DAY,
        run_type="scheduled",
    )


def promote(url: str, version: str) -> str:
    try:
        Ledger(url).promote("news", version, by=Actor.of(RunKey("dag", f"run-{version}", 0)))
    except RefusedError:
        return "refused"
    return "promoted"


def judge_often(url: str, version: str, number: int) -> None:
    """A run that judges a version again and again, and promotes what passes."""
    ledger, by = Ledger(url), Actor.of(RunKey("dag", f"judge-{version}-{number}", 0))
    for turn in range(4):
        with contextlib.suppress(RefusedError):
            ledger.readmit("news", version, "pass", by=by, anew=True)
            ledger.promote("news", version, by=by)
        ledger.reject("news", version, f"turn {turn}", by=by)


def take_back(url: str, version: str, number: int) -> None:
    """A person, once."""
    Ledger(url).revert("news", version, "it must not answer", by=Actor(f"Ada {number}"))


def call(work: Callable[..., None], *arguments: Any) -> None:
    work(*arguments)


def commit(url: str, key: TryKey, report: Report, uid: str) -> None:
    Ledger(url).commit_report(key, report, uid)


def test_opening(url: str, ledger: Ledger, at_once: Callable[..., list[Any]]) -> None:
    assert at_once(open_one, [(url,)] * 12) == [0] * 12
    ledger.close_run("dag", "run", 0, state="success", reason="x")
    assert at_once(open_one, [(url,)] * 12) == [1] * 12
    assert len(ledger.run_summary()) == 2


def test_promoting(
    url: str, ledger: Ledger, train_model: Callable[..., None], at_once: Callable[..., list[Any]]
) -> None:
    versions = [f"v{number:02}" for number in range(12)]
    for number, version in enumerate(versions):
        train_model(version, DAY + timedelta(days=number), number)
    outcomes = at_once(promote, [(url, version) for version in versions])
    live = ledger.live_model("news")
    assert live is not None
    assert live.model.version == versions[-1]
    states = []
    for version, outcome in zip(versions, outcomes, strict=True):
        found = ledger.model("news", version)
        assert found is not None
        assert (outcome == "refused") == (found.state == "candidate")
        states.append(found.state)
    assert states.count("live") == 1
    events = ledger.model_events("news")
    assert [row["sequence"] for row in events] == sorted({row["sequence"] for row in events})


def test_judging_and_taking_back(
    url: str, ledger: Ledger, train_model: Callable[..., None], at_once: Callable[..., list[Any]]
) -> None:
    """Whatever the order, one version is live at most, and none that a person took back."""
    for version in ("v1", "v2", "v3"):
        train_model(version)
    work = [(url, version, number) for number in range(4) for version in ("v1", "v2", "v3")]
    at_once(call, [(judge_often, *each) for each in work] + [(take_back, url, "v1", number) for number in (1, 2)])
    states = {version: ledger.model("news", version) for version in ("v1", "v2", "v3")}
    assert [found and found.state for found in states.values()].count("live") == 1
    assert states["v1"]
    assert states["v1"].state == "rolled_back"
    events = ledger.model_events("news")
    assert [row["sequence"] for row in events] == sorted({row["sequence"] for row in events})
    barred = next(place for place, row in enumerate(events) if row["by_person"])
    after = [row["event"] for row in events[barred + 1 :] if row["version"] == "v1"]
    assert after == [], "a run moved what a person had taken back"


def test_publishing_overlapping_windows(
    url: str,
    ledger: Ledger,
    open_run: Callable[..., int],
    key: Callable[..., TryKey],
    report: Callable[..., Report],
    staged: Callable[..., StagedPartition],
    validated: Callable[..., ValidateResult],
    at_once: Callable[..., list[Any]],
) -> None:
    days = [DAY + timedelta(days=offset) for offset in range(4)]
    work = []
    for version in range(12):
        open_run(f"run-{version}", days[0], days[-1])
        order = days if version % 2 else days[::-1]
        result = validated(version, *(staged(day, rows=10 + version) for day in order))
        work.append((url, key("validate", f"run-{version}"), report(result), "uid"))
    at_once(commit, work * 2)  # each one twice: the second changes nothing
    rows = ledger.partition_rows("news", days[0], days[-1])
    assert {(row["dataset_version"], row["row_count"]) for row in rows} == {(11, 21)}
    profile = ledger.profile("news", until=days[-1])
    assert profile is not None
    assert profile.rows == 4 * 21
    assert sum(row["measured_joules"] for row in ledger.run_summary()) == 12 * 100


def test_a_write_holds_the_file_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{file}").migrate()
    other = sqlite3.connect(file, timeout=0, isolation_level=None)
    with Database(f"sqlite:///{file}").write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with Database(f"sqlite:///{file}").read():
        other.execute("BEGIN IMMEDIATE")  # a reader is in nobody's way
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_database_itself_holds_one_live_model(url: str, ledger: Ledger, train_model: Callable[..., None]) -> None:
    train_model("v1")
    train_model("v2")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE models SET state = 'live'")
    except sa.exc.IntegrityError:
        assert ledger.live_model("news") is None
    else:
        raise AssertionError("two live models")
