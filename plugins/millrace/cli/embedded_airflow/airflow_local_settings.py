"""SQLite's workarounds for the Airflow that `millrace up` starts; no other Airflow gets them.

Airflow imports a module of this name from the Python path before it opens its database, and ``LocalAirflow`` puts this
folder on the path of its own processes alone.

SQLite refuses at once to let a transaction write that began by reading, when another process wrote in between: so
`airflow backfill create` beside a busy scheduler ended with "database is locked". It takes the write lock first here.

Airflow 3.3's API server writes its audit log on its event loop. Where one of its own handlers holds SQLite's write
lock, and its commit waits for that loop, each waits for the other until the busy timeout: a minute, in which nothing is
answered. There it is five seconds; who asked gets an error, and may ask again.
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
