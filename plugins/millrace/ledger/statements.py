"""Named statements from the folder ``sql``: one file per module of the ledger, read once per process."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from millrace.contracts.errors import BadInputError

_NAME_LINE = re.compile(r"^--[ \t]*name[ \t]*:(.*)$", re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RULE = "each statement follows a line `-- name: its_name`, and no two in the folder have one name"


def statement(folder: Path, name: str) -> str:
    """Return a statement's text without its ``;``. Raises BadInputError if no file of the folder has the name."""
    found = _statements(folder).get(name)
    if found is None:
        raise BadInputError(
            f"no statement has the name {name!r}",
            where=str(folder),
            rule=_RULE,
            remedy=f"write it below a line `-- name: {name}`, or correct the name in the ledger's module",
        )
    return found


@cache
def _statements(folder: Path) -> Mapping[str, str]:
    statements: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        for name, text in _named(file):
            if name in statements:
                raise _unreadable(file, f"the name {name!r} is given a second time")
            statements[name] = text
    return MappingProxyType(statements)


def _named(file: Path) -> Iterator[tuple[str, str]]:
    before, *parts = _NAME_LINE.split(file.read_text(encoding="utf-8"))
    if re.sub("--.*", "", before).strip():
        raise _unreadable(file, "a statement stands before the first name")
    for name, text in zip(map(str.strip, parts[::2]), parts[1::2], strict=True):
        if not _NAME.fullmatch(name):
            raise _unreadable(file, f"{name!r} is no name")
        yield name, text.strip().removesuffix(";")


def _unreadable(file: Path, what: str) -> BadInputError:
    return BadInputError(what, where=str(file), rule=_RULE, remedy="correct the file")


def split_for_sqlite(script: str) -> Iterator[str]:
    """Split a script where SQLite ends a statement: not at a ``;`` in a text, a comment or a trigger's body."""
    statement = ""
    for part in re.split("(?<=;)", script):
        statement += part
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
