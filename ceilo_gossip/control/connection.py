"""One caller's connection to the agent's socket: reads one request, writes its answer, and ends.

Each wait is bounded, and what a caller does or leaves undone holds up nobody else: it may be silent, slow, gone before
the answer, or never read. A caller that leaves an answer without end (a `monitor`) has gone when it closes its side.
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable

from oslo_log import log

from ceilo_gossip.control.arguments import ArgumentError
from ceilo_gossip.control.protocol import (
    MAX_REQUEST_BYTES,
    Asked,
    end_line,
    item_line,
    read_request,
    refusal_line,
)
from ceilo_gossip.control.source import End, OperatorSource, Parts, RefusalError

LOG = log.getLogger(__name__)

REQUEST_TIMEOUT = 5.0  # Seconds from connecting to the whole request.
STALL_TIMEOUT = 30.0  # Seconds in which a caller reads nothing at all; a person pages through output that long.
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid.


class StalledError(RefusalError):
    """The caller has read nothing for so long that it is not waited for any longer."""

    def __init__(self) -> None:
        super().__init__(f"cut off: nothing was read for {STALL_TIMEOUT:g} s")


class Connection:
    """One caller. has_asked: its question is whole. is_stream: it is being told something without end."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        source: OperatorSource,
        *,
        may_stream: Callable[[], bool],
        counters: Counter[str],
    ) -> None:
        """may_stream: asked whether there is room for one more answer without end. counters: of what was cut short."""
        self._reader = reader
        self._writer = writer
        self._source = source
        self._may_stream = may_stream
        self._counters = counters
        self.has_asked = False
        self.is_stream = False

    async def serve(self) -> None:
        """Answer, and return when the caller has the whole answer or does not want it."""
        try:
            try:
                await self._answer(await self._request())
            except (RefusalError, ArgumentError) as error:
                await self._write(refusal_line(str(error)))
        except StalledError:
            self._counters["stalled_callers"] += 1
        except (TimeoutError, OSError):
            self._counters["lost_callers"] += 1  # Gone, or never finished asking.
        finally:
            await self._close()

    async def _request(self) -> Asked:
        async with asyncio.timeout(REQUEST_TIMEOUT):
            try:
                line = await self._reader.readuntil(b"\n")
            except (asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
                raise RefusalError(f"a request is one line of JSON of at most {MAX_REQUEST_BYTES} bytes") from error
        self.has_asked = True
        return read_request(line)

    async def _answer(self, asked: Asked) -> None:
        is_stream = asked.verb.limit is None
        if is_stream and not self._may_stream():
            raise RefusalError("too many monitors run already; end one of them")
        parts = asked.verb.start(self._source, asked.arguments)
        self.is_stream = is_stream
        if asked.verb.is_change:
            LOG.info("An operator's command: %s, by %s", asked.name, self._caller())
        async with contextlib.aclosing(parts):
            if self.is_stream:
                await self._pass_on_until_gone(parts)
                return
            try:
                async with asyncio.timeout(asked.verb.limit):
                    await self._pass_on(parts)
            except TimeoutError as error:
                raise RefusalError(f"no whole answer within {asked.verb.limit:g} s; ask again") from error

    async def _pass_on(self, parts: Parts) -> None:
        async for part in parts:
            if isinstance(part, End):
                await self._write(end_line(part.answer))
                return
            await self._write(item_line(part))

    async def _pass_on_until_gone(self, parts: Parts) -> None:
        """Nothing more is to be read from the caller, so whatever comes means that it has gone."""
        passing = asyncio.ensure_future(self._pass_on(parts))
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({passing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
        finally:
            for task in (passing, gone):
                task.cancel()
            await asyncio.gather(passing, gone, return_exceptions=True)

    async def _write(self, line: bytes) -> None:
        self._writer.write(line)
        timeout = asyncio.timeout(STALL_TIMEOUT)
        try:
            async with timeout:
                await self._writer.drain()
        except TimeoutError as error:
            # Ours, or that of the whole answer, which also ends the wait: only ours is the caller's fault.
            if timeout.expired():
                raise StalledError from error
            raise

    async def _close(self) -> None:
        """Let what is written be read, for a while, then hang up."""
        self._writer.close()
        try:
            async with asyncio.timeout(STALL_TIMEOUT):
                await self._writer.wait_closed()
        except OSError:
            self._writer.transport.abort()
        except asyncio.CancelledError:
            self._writer.transport.abort()
            raise

    def _caller(self) -> str:
        """Who asks, as the kernel says."""
        connection = self._writer.get_extra_info("socket")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(credentials)
        return f"user {uid}, process {pid}"
