"""The local socket of a running agent: one JSON object on a line asks, one answers, then the connection ends.

    {"verb": "members"}  ->  {"ok": true, "answer": {...}}   or   {"ok": false, "error": "one sentence"}

Only the agent's own user can connect (mode 0600). Requests, connections and waits are bounded, so that nobody who can
connect can hold up the gossip.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import stat
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ceilo_gossip.control.source import Answer, Source

MAX_REQUEST_BYTES = 4096  # The longest request names one verb.
MAX_CONNECTIONS = 16  # A few operators and a monitoring script.
REQUEST_TIMEOUT = 5.0  # Seconds from connecting to the whole answer.


class ControlServer:
    """Serves `source` on the Unix socket at `path`."""

    def __init__(self, source: Source, *, path: pathlib.Path) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._open = 0
        self._verbs: Mapping[str, Callable[[], Awaitable[Answer]]] = {
            "members": source.members,
            "verdicts": source.grid,
            "info": source.info,
        }

    async def start(self) -> None:
        """Listen; a dead agent's socket is replaced. OSError if another agent serves it or it cannot be made."""
        await self._remove_stale()
        mask = os.umask(0o177)  # The socket must never be open to others, not even between bind and chmod.
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, path=str(self._path), limit=MAX_REQUEST_BYTES, backlog=MAX_CONNECTIONS
            )
        finally:
            os.umask(mask)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None
            self._path.unlink(missing_ok=True)

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
        if self._open >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                reply = await self._reply(reader)
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, OSError):
            pass  # Whoever asked is gone, or never finished asking.
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _reply(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            line = await reader.readuntil(b"\n")
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            return _refusal(f"a request is one line of JSON of at most {MAX_REQUEST_BYTES} bytes")
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refusal("the request is not JSON")
        verb = request.get("verb") if isinstance(request, dict) else None
        answer = self._verbs.get(verb) if isinstance(verb, str) else None
        if answer is None:
            return _refusal(f"unknown verb; known are {', '.join(self._verbs)}")
        return {"ok": True, "answer": await answer()}


def _refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}
