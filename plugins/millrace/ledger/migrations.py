"""Migrations: bring a database to the newest schema."""

import hashlib

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from millrace.contracts.errors import BadInputError, RefusedError, TransientError
from millrace.ledger.database import Database, Tables, Transaction, now


class Migrations(Tables):
    """The schema of a ledger, and who may use it."""

    def migrate(self) -> list[str]:
        """Apply missing migrations in the order of their file names, all or none; return the applied names.

        The subfolder ``sqlite`` or ``postgresql`` holds migrations for that database only. Several processes may call
        it at the same time. Raises RefusedError for a database of a newer version, or if an applied migration was
        edited afterwards.
        """
        database = self._database
        numbered, folder = "[0-9][0-9][0-9][0-9]_*.sql", database.sql / "migrations"
        own = folder / ("sqlite" if database.is_sqlite else "postgresql")
        files = sorted([*folder.glob(numbered), *own.glob(numbered)], key=lambda file: file.stem)
        if database.file is not None:
            database.file.parent.mkdir(parents=True, exist_ok=True)
            _write_ahead(database)
        applied = []
        with database.write() as transaction:
            is_there = None
            if not database.is_sqlite:
                transaction.one("lock_migrations_postgresql")
                is_there = transaction.one("select_migrations_table_postgresql")
            if is_there is None or not is_there["is_there"]:
                transaction.execute("create_migrations")
            known = {row["name"]: row["sha256"] for row in transaction.all("select_migrations")}
            if unknown := sorted(set(known) - {file.stem for file in files}):
                raise RefusedError(
                    f"the ledger has migrations that this version does not know: {unknown}",
                    where=database.where,
                    rule="a ledger is never older software's",
                    remedy="use the version of Millrace that made it, or a newer one",
                )
            for file in files:
                text = file.read_text(encoding="utf-8")
                digest = hashlib.sha256(text.encode()).hexdigest()
                if file.stem not in known:
                    _apply(transaction, file.stem, text, digest)
                    applied.append(file.stem)
                elif known[file.stem] != digest:
                    raise RefusedError(
                        "a migration was changed after it had been applied",
                        where=f"{database.where}: {file.stem}",
                        rule="an applied migration stays as it is",
                        remedy="put the file back and write the change as a new migration",
                    )
        return applied

    def grant(self, role: str) -> None:
        """Grant a PostgreSQL role the rights that an application needs; on the audit, only to read and insert rows.

        The owner of the tables calls it after each migration. Raises BadInputError on SQLite, which has no roles.
        """
        database = self._database
        if database.is_sqlite:
            raise BadInputError(
                "SQLite has no roles",
                where=database.where,
                rule="a ledger on PostgreSQL",
                remedy="nothing is to be granted",
            )
        with database.write() as transaction:
            transaction.one("set_application_postgresql", role=role)
            transaction.script((database.sql / "roles" / "application.sql").read_text(encoding="utf-8"))


def _apply(transaction: Transaction, name: str, text: str, digest: str) -> None:
    transaction.script(text)
    transaction.execute("insert_migration", name=name, sha256=digest, at=now())


def _write_ahead(database: Database) -> None:
    """Switch to write-ahead logging, so that readers do not block on a writer; the file keeps the mode.

    SQLite ignores the busy timeout for this statement, so two processes that start together would collide without
    retries.
    """
    for attempt in Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_delay(30),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    ):
        with attempt:
            database.set_write_ahead()
