"""Airflow imports this by its name, before it opens its database.

SQLite refuses at once to let a transaction write that began by reading, when another process wrote in between: so
`airflow backfill create` beside a busy scheduler ended with "database is locked". It takes the write lock first here.
"""

import sqlite3
import sys

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

if "backfill" in sys.argv[1:2]:

    @event.listens_for(Engine, "connect")
    def _leave_begin_to_us(connection: DBAPIConnection, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.isolation_level = None

    @event.listens_for(Engine, "begin")
    def _begin_with_the_lock(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
