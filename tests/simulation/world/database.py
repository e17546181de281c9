"""The database: the production `Store` on SQLite in memory, reached over management, away when its service is.

Reading it costs half a millisecond of real time and the engines look four times a second, so a reading is
remembered until anybody writes. Writing takes some virtual time before and after the effect: a process can be killed,
and the database lost, in between.
"""

import contextlib
import functools
import pathlib
import sqlite3
import tempfile
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import engines
from sqlalchemy import event

from remediation.incident.incident import Incident
from remediation.store import connect, migrate
from remediation.store.store import Store
from tests.simulation.world.broker import Service
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.facts import Fact, IncidentWritten
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.process import Process

READS: Final = frozenset({"list_open", "get_incident", "records", "rows_called", "list_incidents", "timeline", "calls"})
WRITES: Final = frozenset({"record_call", "claim", "renew", "release", "save", "approve", "close"})


class Database(Service):
    """The cloud's database, with our tables in it."""

    def __init__(
        self,
        controllers: tuple[str, ...],
        kernel: Kernel,
        fabric: Fabric,
        is_alive: Callable[[str], bool],
    ) -> None:
        super().__init__("database", controllers, kernel, fabric, is_alive)
        self.store = Store(_open())
        self._remembered: dict[tuple[str, tuple[Any, ...], tuple[Any, ...]], Any] = {}

    def call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Carry out one operation of the store, at once."""
        if name in WRITES:
            self._remembered.clear()
            return getattr(self.store, name)(*arguments, **named)
        key = (name, arguments, tuple(sorted(named.items())))
        if key not in self._remembered:
            self._remembered[key] = getattr(self.store, name)(*arguments, **named)
        return self._remembered[key]

    def delay(self) -> float:
        """Seconds for half of a commit."""
        return self._rng.uniform(0.0005, 0.004)

    def close(self) -> None:
        """The world is over."""
        self.store.close_connections()


class StorePort:
    """The store as one process on `host` reaches it. `boundary` is called before and after each effect."""

    def __init__(
        self,
        database: Database,
        process: Process,
        host: str,
        *,
        tell: Callable[[Fact], None],
        boundary: Callable[[str], None] = lambda place: None,
    ) -> None:
        self._database = database
        self._process = process
        self._host = host
        self._tell = tell
        self._boundary = boundary

    def __getattr__(self, name: str) -> Any:
        if name in READS:
            return lambda *arguments, **named: self._read(name, arguments, named)
        if name in WRITES:
            return lambda *arguments, **named: self._write(name, arguments, named)
        raise AttributeError(name)

    def _check(self) -> None:
        self._process.check_alive()
        if not self._database.is_reachable(self._host):
            raise db_exception.DBConnectionError("the simulated database is away")

    def _read(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._check()
        return self._database.call(name, arguments, named)

    def _write(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._boundary(f"before {name}")
        self._process.sleep(self._database.delay())
        self._check()
        result = self._database.call(name, arguments, named)
        if name == "save" and isinstance(arguments[1], Incident):
            self._tell(IncidentWritten(arguments[1], str(arguments[0])))
        self._process.sleep(self._database.delay())
        self._boundary(f"after {name}")
        return result


def _open() -> sa.Engine:
    """Return an engine for a database of its own in memory, with the tables of this release."""
    engine = connect.open_engine("sqlite://")
    # oslo.db lets other threads run after each use of a connection; there are none here.
    if event.contains(engine, "checkin", engines._thread_yield):
        event.remove(engine, "checkin", engines._thread_yield)
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.executescript(_tables())
        connection.commit()
    return engine


@functools.cache
def _tables() -> str:
    """Return the statements that make the tables, from a database that was brought up to date as an operator does."""
    with tempfile.TemporaryDirectory(prefix="ceilo-gossip-world.") as directory:
        path = pathlib.Path(directory) / "incidents.sqlite"
        migrate.upgrade(f"sqlite:///{path}")
        with contextlib.closing(sqlite3.connect(path)) as database:
            return "\n".join(database.iterdump())
