"""Migrations: once, by whoever comes first, and never backwards."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError, RefusedError, TransientError
from millrace.ledger.database import Database
from millrace.ledger.ledger import Ledger
from millrace.storage.packaged import SQL

ALL = sorted(file.stem for part in ("", "sqlite") for file in (SQL / "migrations" / part).glob("*.sql"))


def migrate(url: str) -> list[str]:
    return Ledger(url).migrate()


def test_applied_once(url: str) -> None:
    assert migrate(url) == ALL
    assert migrate(url) == []


def test_two_processes_at_once(url: str, at_once: Callable[..., list[Any]]) -> None:
    applied = at_once(migrate, [(url,)] * 8)
    assert sorted(name for names in applied for name in names) == ALL  # each one by exactly one process


def test_a_newer_ledger_is_refused(url: str, tmp_path: Path) -> None:
    newer = tmp_path / "sql"
    shutil.copytree(SQL, newer)
    (newer / "migrations" / "9999_future.sql").write_text("CREATE TABLE future (a TEXT);")
    assert Ledger(url, newer).migrate()[-1] == "9999_future"
    with pytest.raises(RefusedError, match="9999_future"):
        migrate(url)


def test_an_edited_migration_is_refused(url: str, tmp_path: Path) -> None:
    migrate(url)
    edited = tmp_path / "sql"
    shutil.copytree(SQL, edited)
    file = edited / "migrations" / f"{ALL[0]}.sql"
    file.write_text(file.read_text() + "\n")
    with pytest.raises(RefusedError, match=ALL[0]):
        Ledger(url, edited).migrate()


def test_a_migration_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    broken = tmp_path / "sql"
    shutil.copytree(SQL, broken)
    (broken / "migrations" / "9999_broken.sql").write_text("CREATE TABLE half (a TEXT); CREATE NONSENSE;")
    with pytest.raises(Exception, match=r"(?i)nonsense"):
        Ledger(url, broken).migrate()
    assert migrate(url) == ALL


def test_nothing_is_opened_before_the_first_call(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path / 'none' / 'ledger.db'}")
    assert not (tmp_path / "none").exists()


def test_without_tables_the_error_says_what_to_run(url: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(TransientError, match="ledger migrate"):
        Ledger(url).run_summary()


@pytest.mark.parametrize("bad", ["nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_is_no_ledger(bad: str) -> None:
    with pytest.raises(BadInputError, match="sqlite"):
        Ledger(bad)


def test_an_error_shows_no_password() -> None:
    pytest.importorskip("psycopg")
    database = Database("postgresql://someone:secret@127.0.0.1:1/none")
    with pytest.raises(TransientError) as caught, database.read() as transaction:
        transaction.all("select_migrations")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in caught.value.where


def test_postgresql_takes_part() -> None:
    if not os.environ.get("MILLRACE_TEST_POSTGRES_URL"):
        pytest.skip("MILLRACE_TEST_POSTGRES_URL names no PostgreSQL database: the ledger's tests ran on SQLite only")
    assert pytest.importorskip("psycopg")
