"""A ledger that commit 88ba4e7 made keeps what it says when it is migrated, on SQLite and PostgreSQL."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.reasons import ReasonCode
from millrace.ledger.database import Database
from millrace.ledger.ledger import Ledger
from millrace.ledger.records import Actor
from millrace.storage.packaged import SQL
from tests.unit.upgrade import old_release
from tests.unit.upgrade.old_release import DAG, LIVE, RETIRED

REASON_CODES = {
    "done": 2,
    "no_new_data": 2,
    "dry_run": 1,
    "training_off": 1,
    "over_budget": 1,
    None: 2,  # of failed runs the old version kept a text alone
}


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    file = tmp_path / "old" / "ledger.db"
    old_release.unpack_ledger(file, tmp_path)
    return file


@pytest.fixture
def ledger(url: str, old_file: Path, tmp_path: Path) -> Ledger:
    """The old ledger, migrated."""
    database = Database(url)
    if database.file is not None:
        database.file.parent.mkdir()
        shutil.copy(old_file, database.file)
    else:
        move_rows(old_file, url, tmp_path)
    ledger = Ledger(url)
    applied = ledger.migrate()
    assert applied[0][:4] == "0012"
    assert ledger.migrate() == []
    return ledger


def move_rows(old_file: Path, url: str, tmp_path: Path) -> None:
    """Put the old rows into tables on PostgreSQL that the old version's own migrations made."""
    old_sql = tmp_path / "sql"
    shutil.copytree(SQL, old_sql)
    for file in (old_sql / "migrations").rglob("*.sql"):
        if file.stem > old_release.LAST_MIGRATION:
            file.unlink()
    Ledger(url, old_sql).migrate()
    with closing(sqlite3.connect(old_file)) as database:
        rows = [line for line in database.iterdump() if line.startswith("INSERT") and '"migrations"' not in line]
    with Database(url).write() as transaction:
        # rows come by their tables' names, before those that they refer to
        transaction.script("\n".join(["SET session_replication_role = replica;", *rows]))


def test_the_public_view_has_the_rows_that_it_had(ledger: Ledger, old_file: Path) -> None:
    before = old_release.old_summary(old_file)
    after = sorted(ledger.run_summary(), key=lambda row: (row["started_at"], row["run_id"]), reverse=True)
    assert Counter(row["state"] for row in before) == {
        "success": 3, "skipped": 2, "failed": 2, "dry_run": 1, "rejected": 1,
    }  # fmt: skip
    assert len(after) == len(before)
    for row, was in zip(after, before, strict=True):
        new = row.pop("reason_code")
        assert new is None or ReasonCode(new)
        assert set(row) == set(was)
        for column, value in was.items():
            same = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert row[column] == same, (was["run_id"], column)


def test_runs_and_tries_have_codes_where_their_text_has_one_meaning(ledger: Ledger) -> None:
    assert Counter(row["reason_code"] for row in ledger.run_summary()) == REASON_CODES
    tries = ledger.tries(DAG, old_release.FIRST_RUN, 0)
    assert {each["reason_code"] for each in tries} == {"done"}


def test_tasks_have_their_new_names(ledger: Ledger) -> None:
    steps = Counter(
        each["step"] for row in ledger.run_summary() for each in ledger.tries(DAG, row["run_id"], row["repeat"])
    )
    assert steps["plan_ingest"] == 9
    assert steps["finish"] == 9
    assert not {"divide", "close"} & set(steps)


def test_every_report_and_plan_is_read(ledger: Ledger) -> None:
    reports, plans = [], []
    for row in ledger.run_summary():
        tasks = {each["task_id"] for each in ledger.tries(DAG, row["run_id"], row["repeat"])}
        reports += [each for task in tasks for each in ledger.committed_reports(DAG, row["run_id"], task)]
        plans.append(ledger.plan(DAG, row["run_id"]))
    kinds = Counter(each.result.kind for each in reports if each.result is not None)
    assert kinds == {"ingest": 7, "validate": 5, "train": 2, "export": 2, "evaluate": 2}
    assert len([plan for plan in plans if plan]) == 5


def test_models_data_and_budget_are_found(ledger: Ledger) -> None:
    live = ledger.live_model(DAG)
    assert (live.model.version, live.run.run_id) == (LIVE, old_release.SECOND_RUN)
    assert ledger.model(DAG, RETIRED).state == "retired"
    assert ledger.latest_dataset(DAG, date(2026, 3, 3)) == live.dataset
    assert {row["row_count"] for row in ledger.partition_rows(DAG, date(2026, 3, 2), date(2026, 3, 3))} == {900}
    (budget,) = ledger.views.budgets([DAG])
    assert (budget["name"], budget["amount"]) == (old_release.BUDGET, 1e-6)
    assert ledger.trained_runs(), "calibration learns from runs of the old version"


def test_the_audit_begins_with_the_first_decision_of_the_new_version(ledger: Ledger) -> None:
    assert ledger.check_audit(None).row_count == 0
    assert ledger.revert(DAG, LIVE, "it errs", by=Actor("Ada")) == RETIRED
    chain = ledger.check_audit(None)
    assert (chain.row_count, chain.broken_at) == (1, None)
    events: list[dict[str, Any]] = ledger.model_events(DAG)
    assert len(events) > 5, "the old version's events stay beside the new one"
