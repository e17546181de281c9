"""The local socket of a running agent: who may connect, how many at a time, and its beginning and end.

Only the agent's own user can connect (mode 0600), or also a group that the configuration names (0660). Whoever can
connect may use every verb: those that change something are written to the log, with the user's id.

It leaves to others: what a line means (`protocol`, `verbs`), one caller's conversation (`connection`).
"""

import asyncio
import os
import pathlib
import socket
import stat
from collections import Counter
from collections.abc import Mapping

from ceilo_gossip.control.connection import Connection
from ceilo_gossip.control.protocol import MAX_REQUEST_BYTES
from ceilo_gossip.control.source import OperatorSource

MAX_CONNECTIONS = 16  # A few operators and a monitoring script.
MAX_STREAMS = 8  # Monitors among them, so that somebody can always still ask.
CLOSE_TIMEOUT = 1.0  # Seconds for the last words to be read when the agent ends.


class ControlServer:
    """Serves `source` on the Unix socket at `path`; `group` is the id of the group that may connect, None for none."""

    def __init__(self, source: OperatorSource, *, path: pathlib.Path, group: int | None = None) -> None:
        self._source = source
        self._path = path
        self._group = group
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._counters: Counter[str] = Counter()

    @property
    def counters(self) -> Mapping[str, int]:
        """Callers that were turned away, lost or cut off, since the start."""
        return self._counters

    async def start(self) -> None:
        """Listen; a dead agent's socket is replaced. OSError if another agent serves it or it cannot be made."""
        await self._remove_stale()
        self._server = await asyncio.start_unix_server(
            self._serve, sock=self._bound(), limit=MAX_REQUEST_BYTES, backlog=MAX_CONNECTIONS
        )

    async def close(self) -> None:
        """Stop listening, end the conversations, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        self._path.unlink(missing_ok=True)
        for task, connection in self._connections.items():
            if not connection.has_asked:
                task.cancel()
        if tasks := list(self._connections):
            _, late = await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _bound(self) -> socket.socket:
        """A socket at our path that has never been open to anybody who may not connect."""
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            mask = os.umask(0o177)
            try:
                bound.bind(str(self._path))
            finally:
                os.umask(mask)
            if self._group is not None:
                # In this order: the group is right before it gets any right.
                os.chown(self._path, -1, self._group)
                self._path.chmod(0o660)
        except BaseException:
            bound.close()
            raise
        bound.setblocking(False)
        return bound

    async def _remove_stale(self) -> None:
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(f"{self._path} exists and is no socket; remove it or name another path")
        try:
            _, writer = await asyncio.open_unix_connection(str(self._path))
        except ConnectionRefusedError:
            self._path.unlink()
            return
        writer.close()
        raise FileExistsError(f"another agent serves {self._path}; stop it, or give this one its own state_dir")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            self._counters["callers_over_limit"] += 1
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        connection = Connection(
            reader, writer, self._source, may_stream=self._has_room_for_a_stream, counters=self._counters
        )
        self._connections[task] = connection
        try:
            await connection.serve()
        finally:
            del self._connections[task]

    def _has_room_for_a_stream(self) -> bool:
        return sum(connection.is_stream for connection in self._connections.values()) < MAX_STREAMS
