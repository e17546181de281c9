"""Reports the message bus does not have yet, on disk, so that neither its absence nor our end loses one.

A change is kept until it is sent. A repetition says nothing a newer report about the same host does not say, so any
newer report about that host takes its place. At the limit the oldest repetition goes, then the oldest report; what goes
is counted. SQLite in WAL mode with synchronous=NORMAL: after a crash of the process nothing is missing; a power
cut may take the last moments, whose verdicts the other speaker tells as well.

A disk that fails must not silence us: the outbox then goes on in memory, and says so.
"""

import dataclasses
import json
import pathlib
import sqlite3
from collections.abc import Mapping
from typing import Any

MEMORY = ":memory:"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS report (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    host TEXT NOT NULL,
    is_repeat INTEGER NOT NULL,
    topic TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payload TEXT NOT NULL
)
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """One notification about `host`; a repetition may be replaced by anything newer about it."""

    host: str
    is_repeat: bool
    topic: str
    event_type: str
    payload: Mapping[str, Any]


class Outbox:
    """Used by one thread. `trouble` tells why it is not on disk, None while it is."""

    def __init__(self, path: pathlib.Path, *, limit: int) -> None:
        self._limit = limit
        self.trouble: str | None = None
        self.dropped = 0
        try:
            self._database = _open(str(path))
        except (sqlite3.Error, OSError) as error:
            self.trouble = f"{path}: {error}"
            self._database = _open(MEMORY)

    def __len__(self) -> int:
        row = self._database.execute("SELECT count(*) FROM report").fetchone()
        return int(row[0])

    def add(self, report: Report) -> None:
        """Keep `report` until it is removed."""
        try:
            self._add(report)
        except sqlite3.Error as error:
            self._go_on_in_memory(error)
            self._add(report)

    def oldest(self) -> tuple[int, Report] | None:
        """Return the report to be sent next with its id, or None."""
        try:
            row = self._oldest_row()
        except sqlite3.Error as error:
            self._go_on_in_memory(error)
            row = self._oldest_row()
        if row is None:
            return None
        return int(row[0]), Report(row[1], bool(row[2]), row[3], row[4], json.loads(row[5]))

    def remove(self, report_id: int) -> None:
        """The bus has it."""
        try:
            with self._database:
                self._database.execute("DELETE FROM report WHERE id = ?", (report_id,))
        except sqlite3.Error as error:
            self._go_on_in_memory(error)
            with self._database:
                self._database.execute("DELETE FROM report WHERE id = ?", (report_id,))

    def close(self) -> None:
        """Let the file go."""
        self._database.close()

    def _add(self, report: Report) -> None:
        with self._database as database:
            database.execute("DELETE FROM report WHERE host = ? AND is_repeat = 1", (report.host,))
            database.execute(
                "INSERT INTO report (host, is_repeat, topic, event_type, payload) VALUES (?, ?, ?, ?, ?)",
                (report.host, report.is_repeat, report.topic, report.event_type, json.dumps(dict(report.payload))),
            )
            surplus = database.execute("SELECT count(*) FROM report").fetchone()[0] - self._limit
            if surplus > 0:
                database.execute(
                    "DELETE FROM report WHERE id IN (SELECT id FROM report ORDER BY is_repeat DESC, id LIMIT ?)",
                    (surplus,),
                )
                self.dropped += surplus

    def _oldest_row(self) -> Any:
        return self._database.execute(
            "SELECT id, host, is_repeat, topic, event_type, payload FROM report ORDER BY id LIMIT 1"
        ).fetchone()

    def _go_on_in_memory(self, error: sqlite3.Error) -> None:
        """The disk failed under us: keep what can still be read, with its ids, and go on without it."""
        if self.trouble is not None:
            raise error  # Memory does not fail; this is a fault of ours.
        self.trouble = str(error)
        memory = _open(MEMORY)
        try:
            rows = self._database.execute("SELECT * FROM report ORDER BY id").fetchall()
        except sqlite3.Error:
            rows = []
        with memory:
            memory.executemany("INSERT INTO report VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._database.close()
        self._database = memory


def _open(path: str) -> sqlite3.Connection:
    # The sender's thread uses it, the thread that makes it may be another; never both at one time.
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        if path != MEMORY:
            pathlib.Path(path).chmod(0o600)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        with database:
            database.execute(_SCHEMA)
    except (sqlite3.Error, OSError):
        database.close()
        raise
    return database
