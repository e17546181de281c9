"""Connections to the incident database, through oslo.db.

oslo.db turns each driver's errors into its own exceptions and checks connections before use. For SQLite, every writing
transaction takes its lock at the start: two processes write (the webhook and the engine), and a transaction that first
reads and then asks for the lock is refused at once, however long the busy timeout.
"""

from typing import Any, Final

import sqlalchemy as sa
from oslo_db.sqlalchemy import engines
from sqlalchemy import event

SQLITE_BUSY_SECONDS: Final = 5  # How long a writer waits for the other one; each holds the lock for milliseconds.
_WRITES: Final = {"remediation_writes": True}


def open_engine(url: str) -> sa.Engine:
    """Return an engine for `url`, connected once. Raises oslo.db's DBError when it cannot be reached."""
    engine: sa.Engine = engines.create_engine(
        url, sqlite_fk=True, mysql_sql_mode="TRADITIONAL", max_retries=1, retry_interval=1
    )
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def writer_of(engine: sa.Engine) -> sa.Engine:
    """Return a view of `engine` whose transactions may write."""
    return engine.execution_options(**_WRITES)


def _prepare_sqlite(engine: sa.Engine) -> None:
    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_SECONDS * 1000}")
        # Readers (the engine looks four times a second) and the writer do not wait for each other.
        connection.execute("PRAGMA journal_mode = WAL")
        # With WAL, NORMAL may lose the last commits at a power cut; a call is durable once acknowledged.
        connection.execute("PRAGMA synchronous = FULL")

    # oslo.db has just emitted a plain BEGIN; nothing happened in that transaction yet.
    @event.listens_for(engine, "begin")
    def _take_the_lock(connection: sa.Connection) -> None:
        if "remediation_writes" in connection.get_execution_options():
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
