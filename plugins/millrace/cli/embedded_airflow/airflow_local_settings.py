"""SQLite workarounds for the Airflow that `millrace up` starts; no other Airflow uses them.

Airflow imports a module of this name from the Python path before it opens its database. ``LocalAirflow`` adds this
folder to the path of its own processes only.

SQLite fails at once, without the busy timeout, if a transaction that began with a read writes after another process
wrote. `airflow backfill create` beside a busy scheduler failed with "database is locked" for this reason. Here its
transactions take the write lock when they begin (BEGIN IMMEDIATE).

Airflow 3.3's API server writes its audit log on its event loop. If one of its handlers holds SQLite's write lock and
its commit waits for that loop, the two wait for each other until the busy timeout of one minute, and no request is
answered. In the API server the timeout is five seconds; the client gets an error and can repeat its request.
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


if "api-server" in sys.argv[1:2]:

    @event.listens_for(Engine, "connect")
    def _wait_briefly(connection: DBAPIConnection, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA busy_timeout = 5000")
