"""Statements: found by their names, read once; scripts: split where the database itself ends a statement."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.errors import BadInputError
from millrace.ledger.database import Database
from millrace.ledger.statements import split_for_sqlite, statement
from millrace.storage.packaged import SQL

_TABLES = "CREATE TABLE texts (text TEXT); CREATE TABLE copies (text TEXT);"
_SQLITE_TRIGGER = """
CREATE TRIGGER copy AFTER INSERT ON texts
BEGIN
    INSERT INTO copies VALUES (CASE WHEN NEW.text = 'a;b' THEN 'first; ' ELSE 'other; ' END || NEW.text);
    -- END; of nothing
    UPDATE copies SET text = CASE text WHEN 'first; a;b' THEN '1' ELSE text END;
END;
"""
_POSTGRESQL_TRIGGER = """
CREATE FUNCTION copy_text() RETURNS TRIGGER LANGUAGE plpgsql AS $body$
BEGIN
    INSERT INTO copies VALUES (CASE WHEN NEW.text = 'a;b' THEN $$first; $$ ELSE 'other; ' END || NEW.text);
    -- END; of nothing
    UPDATE copies SET text = CASE text WHEN 'first; a;b' THEN '1' ELSE text END;
    RETURN NEW;
END $body$;
CREATE TRIGGER copy AFTER INSERT ON texts FOR EACH ROW EXECUTE FUNCTION copy_text();
"""


@pytest.fixture
def run(url: str, tmp_path: Path) -> Callable[[str], list[str]]:
    """Runs a script in a database with the tables texts and copies; what is in copies then."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "test.sql").write_text("-- name: select_copies\nSELECT text FROM copies;\n")
    database = Database(url, tmp_path)

    def run(script: str) -> list[str]:
        with database.write() as transaction:
            transaction.script(_TABLES)
            transaction.script(script)
            return sorted(row["text"] for row in transaction.all("select_copies"))

    return run


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


def test_a_statement_is_found_by_its_name_in_any_file(tmp_path: Path) -> None:
    head = "-- What the file is about; it has a header.\n\n"
    several = f"{head}-- name: one\n-- Why; it is so.\nSELECT 1\nFROM a;\n\n-- name: two\nSELECT ';';\n"
    folder = written(tmp_path, several=several, single="-- name: three\nSELECT 3")
    assert statement(folder, "one") == "-- Why; it is so.\nSELECT 1\nFROM a"
    assert statement(folder, "two") == "SELECT ';'"
    assert statement(folder, "three") == "SELECT 3"


def test_files_are_read_once(tmp_path: Path) -> None:
    folder = written(tmp_path, a="-- name: one\nSELECT 1;", b="-- name: two\nSELECT 2;")
    assert statement(folder, "one") == "SELECT 1"
    written(folder, a="", b="")
    assert statement(folder, "two") == "SELECT 2"


def test_an_unknown_name_is_refused_with_what_to_write(tmp_path: Path) -> None:
    folder = written(tmp_path, a="-- name: one\nSELECT 1;")
    with pytest.raises(BadInputError, match="'other'") as caught:
        statement(folder, "other")
    assert caught.value.where == str(folder)
    assert "-- name: other" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;", "'one' is given a second time"),
        ("-- name: in_another_file\nSELECT 1;", "'in_another_file' is given a second time"),
        ("SELECT 1;\n-- name: one\nSELECT 2;", "before the first name"),
        ("SELECT 1;", "before the first name"),
        ("-- name: one\nSELECT 1;\n--Name:two words\nSELECT 2;", "'two words' is no name"),
        ("-- name:\nSELECT 1;", "'' is no name"),
    ],
)
def test_a_file_that_breaks_the_rule_is_named(tmp_path: Path, text: str, message: str) -> None:
    folder = written(tmp_path, another="-- name: in_another_file\nSELECT 1;", wrong=text)
    with pytest.raises(BadInputError, match=message) as caught:
        statement(folder, "in_another_file")
    assert caught.value.where == str(folder / "wrong.sql")


def test_each_name_has_one_statement_that_ends_with_a_semicolon() -> None:
    files = list(SQL.glob("*.sql"))
    assert files
    for file in files:
        for text in re.split("^-- name: .*$", file.read_text(), flags=re.MULTILINE)[1:]:
            parts = list(split_for_sqlite(text.strip()))
            assert len(parts) == 1, text
            assert parts[0].endswith(";"), text


def test_a_semicolon_in_a_text_or_a_comment_ends_no_statement(run: Callable[[str], list[str]]) -> None:
    copies = run("""
        -- one; INSERT INTO copies VALUES ('from a comment');
        INSERT INTO copies VALUES ('a;b'); -- two; three
        /* four; ' five;
           INSERT INTO copies VALUES ('from a comment'); */
        INSERT INTO copies
        -- six; it's seven
        VALUES ('it''s; c'), ('
-- no comment;
'), ('100 %; %s')
    """)
    assert copies == ["\n-- no comment;\n", "100 %; %s", "a;b", "it's; c"]


def test_a_semicolon_in_a_triggers_body_ends_no_statement(run: Callable[[str], list[str]], url: str) -> None:
    trigger = _SQLITE_TRIGGER if url.startswith("sqlite") else _POSTGRESQL_TRIGGER
    assert run(f"{trigger} INSERT INTO texts VALUES ('a;b'); INSERT INTO texts VALUES ('c');") == ["1", "other; c"]


@pytest.mark.parametrize("script", ["", "\n", "-- nothing; at all\n", ";", ";;\n-- nothing"])
def test_a_script_of_nothing_does_nothing(run: Callable[[str], list[str]], script: str) -> None:
    assert run(script) == []


def test_each_statement_for_sqlite_is_given_alone() -> None:
    first, second = "CREATE TABLE a (b TEXT);", "\nINSERT INTO a VALUES (';')"
    assert list(split_for_sqlite(f"{first}{second};\n")) == [first, f"{second};"]
    assert list(split_for_sqlite(first + second)) == [first, second]
    assert list(split_for_sqlite(_SQLITE_TRIGGER + first)) == [_SQLITE_TRIGGER.rstrip(), "\n" + first]


def test_no_migration_is_cut_within_a_statement() -> None:
    connection: Any = sqlite3.connect(":memory:")
    numbered = [file for part in ("", "sqlite") for file in (SQL / "migrations" / part).glob("*.sql")]
    for file in sorted(numbered, key=lambda file: file.name):
        for text in split_for_sqlite(file.read_text()):
            connection.execute(text)  # takes one statement at most
    assert connection.execute("SELECT COUNT(*) FROM run_summary").fetchone() == (0,)
