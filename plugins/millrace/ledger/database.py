"""Transactions on SQLite or PostgreSQL, with statements from SQL files."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.pool import NullPool

from millrace.contracts.errors import BadInputError, RefusedError, TransientError
from millrace.ledger.statements import split_for_sqlite, statement
from millrace.storage import packaged

_BUSY_SECONDS = 30
_WRITE = "millrace_write"

Value = str | int | float | None | tuple[str, ...] | tuple[int, ...]
Row = dict[str, Any]


def written(moment: datetime) -> str:
    """Return a UTC time as the ledger stores it: ISO-8601 text of constant width, so that it sorts by time."""
    return moment.isoformat(timespec="microseconds")


def now() -> str:
    """Return the current time in the format of ``written``."""
    return written(datetime.now(UTC))


class Transaction:
    """Runs statements by name from the folder ``sql``; all values are bound parameters.

    A tuple is bound as the list of an IN clause.
    """

    def __init__(self, connection: sa.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder

    def execute(self, query: str, **values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(self._text(query, values), values).rowcount

    def execute_each(self, query: str, rows: Sequence[Mapping[str, Value]]) -> None:
        """Run a statement once for each row."""
        if rows:
            self._connection.execute(self._text(query, {}), [dict(row) for row in rows])

    def all(self, query: str, **values: Value) -> list[Row]:
        """Return the rows of a query."""
        return [dict(row) for row in self._connection.execute(self._text(query, values), values).mappings()]

    def all_by(self, query: str, words: Mapping[str, str], **values: Value) -> list[Row]:
        """Return the rows of a query whose text has ``{names}`` for identifiers, such as a table or a sort column.

        ``words`` come from the calling code only, never from external input.
        """
        text = sa.text(statement(self._folder, query).format_map(words))
        return [dict(row) for row in self._connection.execute(text, values).mappings()]

    def one(self, query: str, **values: Value) -> Row | None:
        """Return the first row of a query; None if it has none."""
        row = self._connection.execute(self._text(query, values), values).mappings().first()
        return None if row is None else dict(row)

    def script(self, text: str) -> None:
        """Run the statements of a migration, which end in ``;`` and take no values."""
        # psycopg runs a whole script if it has no parameters; SQLite's driver runs one statement at a time
        of_sqlite = self._connection.dialect.name == "sqlite"
        for each in split_for_sqlite(text) if of_sqlite else (text,):
            # otherwise a driver would read a % as a parameter
            self._connection.exec_driver_sql(each, execution_options={"no_parameters": True})

    def _text(self, query: str, values: Mapping[str, Value]) -> sa.TextClause:
        lists: list[sa.BindParameter[Any]] = [
            sa.bindparam(
                name, expanding=True, type_=sa.BigInteger() if value and isinstance(value[0], int) else sa.String()
            )
            for name, value in values.items()
            if isinstance(value, tuple)
        ]
        return sa.text(statement(self._folder, query)).bindparams(*lists)


class Database:
    """A lazily opened database. It pools no connections, so that a process may fork and a file may be replaced."""

    def __init__(self, url: str, sql: Path | None = None) -> None:
        self.sql = sql or packaged.SQL
        self._url = _checked(url)

    @property
    def where(self) -> str:
        """The URL for messages, without its password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self._url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for PostgreSQL."""
        return Path(str(self._url.database)) if self.is_sqlite else None

    @cached_property
    def _engine(self) -> sa.Engine:
        if not self.is_sqlite:
            return sa.create_engine(self._url, poolclass=NullPool)
        engine = sa.create_engine(self._url, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine

    def set_write_ahead(self) -> None:
        """Switch SQLite's file to write-ahead logging. Raises TransientError if it cannot be opened or is busy."""
        try:
            with self._engine.connect() as connection:
                driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
                driver.execute("PRAGMA journal_mode = WAL")
        except (DBAPIError, sqlite3.OperationalError) as error:
            raise TransientError(
                f"the ledger's file cannot be opened: {error}",
                where=self.where,
                rule="a local file that can be written",
                remedy="see that its folder exists, has room and is not on a network file system",
            ) from error

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Open a read transaction. Raises TransientError if the database does not answer."""
        with self._transaction(write=False) as transaction:
            yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Open a write transaction, committed as a whole at the end or not at all.

        Raises TransientError if the database does not answer (or has no tables yet), RefusedError if a constraint or
        the role's rights forbid the change.
        """
        with self._transaction(write=True) as transaction:
            yield transaction

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Transaction]:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(**{_WRITE: write})
                with connection.begin():
                    yield Transaction(connection, self.sql)
        except DBAPIError as error:
            raise self._translated(error) from error

    def _translated(self, error: DBAPIError) -> Exception:
        what = str(error.orig).strip()
        if isinstance(error, IntegrityError):
            return RefusedError(
                f"the ledger refuses the change: {what}",
                where=self.where,
                rule="the constraints in sql/migrations",
                remedy="something was committed twice or out of order; look at the run in run_summary",
            )
        if type(error.orig).__name__ == "InsufficientPrivilege":
            return RefusedError(
                f"the ledger's role may not do this: {what}",
                where=self.where,
                rule="the owner of the tables migrates; who uses the ledger inserts into the audit and reads it",
                remedy="migrate as the owner, who then says `python -m millrace ledger grant ROLE`",
            )
        if "no such table" in what or type(error.orig).__name__ == "UndefinedTable":
            return TransientError(
                "the ledger has no tables yet",
                where=self.where,
                rule="migrations are applied before the first run",
                remedy="python -m millrace ledger migrate",
            )
        read_only = type(error.orig).__name__ == "ReadOnlySqlTransaction"  # a standby, or a server set to read only
        if isinstance(error, ProgrammingError) or not (read_only or isinstance(error, OperationalError)):
            return error
        return TransientError(
            f"the ledger does not answer: {what}",
            where=self.where,
            rule="the database can be reached and written within 30 s",
            remedy="see that it runs and has room; the task is retried",
        )


class Tables:
    """The tables of one responsibility: every method is one transaction. A base of Ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _all(self, query: str, **values: Value) -> list[Row]:
        with self._database.read() as transaction:
            return transaction.all(query, **values)

    def _one(self, query: str, **values: Value) -> Row | None:
        with self._database.read() as transaction:
            return transaction.one(query, **values)


def _checked(url: str) -> sa.URL:
    remedy = "give sqlite:////folder/ledger.db or postgresql://user@host/database"
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadInputError(
            "the ledger's URL cannot be read", where="the ledger's URL", rule="a SQLAlchemy URL", remedy=remedy
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    where = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInputError("no such ledger", where=where, rule="SQLite or PostgreSQL", remedy=remedy)
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise BadInputError("no file is named", where=where, rule="a ledger outlives its process", remedy=remedy)
    return parsed


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # _begin_sqlite begins transactions, not the driver
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
