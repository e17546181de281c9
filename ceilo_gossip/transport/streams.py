"""The TCP streams of one pool: those that others open to us, and those that we open.

Each carries one message in each direction and has a deadline from its first to its last byte, the closing included. An
incoming one costs nothing before it is whole but its bytes, and they are bounded: so many streams, so many from one
host, so many bytes in all of them. When there are too many it is the oldest that goes, for an honest exchange is over
in a moment; when they hold too much, the largest. So who opens streams and leaves them hanging shuts nobody else out.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.transport.sockets import Binding, peer_address
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import MAX_STREAM_LENGTH
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.stream import StreamFramer

# Incoming exchanges at one time; memberlist closes at 128.
MAX_INCOMING = 32
# From one host: a member has an exchange, a reconnect and a probe under way at most, before and after a restart.
MAX_INCOMING_OF_ONE_HOST = 8
# Bytes of messages that are not whole yet, in all incoming streams: room for the largest message of four hosts.
MAX_INCOMING_LENGTH = 4 * MAX_STREAM_LENGTH
INCOMING_DEADLINE = 10.0  # seconds for a whole incoming exchange; memberlist's TCPTimeout on a LAN
# Outgoing ones; the core has at most 128 requests under way, those beyond this wait for their turn.
MAX_OUTGOING = 32
_READ_LENGTH = 65536


@dataclass(slots=True, eq=False)
class _Incoming:
    """A stream that somebody opened. length: bytes that it has sent."""

    host: str
    task: asyncio.Task[None]
    length: int = field(default=0)


class Streams:
    """The listener, and the streams under way.

    answer: the bytes to answer a whole message of an address with, b"" for none. is_encrypted: whether plain streams
    are of no use now.
    """

    def __init__(
        self,
        binding: Binding,
        counters: Counter[str],
        *,
        answer: Callable[[bytes, Address], bytes],
        is_encrypted: Callable[[], bool],
    ) -> None:
        self._binding = binding
        self._counters = counters
        self._answer = answer
        self._is_encrypted = is_encrypted
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._incoming: list[_Incoming] = []  # the oldest first
        self._outgoing = asyncio.Semaphore(MAX_OUTGOING)

    async def open(self) -> None:
        """Listen; `OSError` when that cannot be."""
        listener = self._binding.listener()
        try:
            self._server = await asyncio.start_server(self._accept, sock=listener)
        except BaseException:
            listener.close()
            raise

    async def close(self) -> None:
        """Stop listening and end every stream."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    # Those that we open.

    def dial(self, request: StreamRequest, seconds: float, finish: Callable[[bytes | None], None]) -> None:
        """Begin an exchange. `finish` is told the whole reply, or None when there was none within so many seconds."""
        task = asyncio.get_running_loop().create_task(self._exchange(request, seconds, finish))
        self._keep(task)

    async def _exchange(self, request: StreamRequest, seconds: float, finish: Callable[[bytes | None], None]) -> None:
        reply: bytes | None = None
        try:
            async with asyncio.timeout(max(0.0, seconds)), self._outgoing:
                reply = await self._ask(request)
        except (OSError, TimeoutError, WireError) as error:
            self._counters[f"stream_out_{type(error).__name__}"] += 1
        finish(reply)

    async def _ask(self, request: StreamRequest) -> bytes | None:
        dialler = self._binding.dialler()
        try:
            target = (request.destination.host, request.destination.port)
            await asyncio.get_running_loop().sock_connect(dialler, target)
            reader, writer = await asyncio.open_connection(sock=dialler)
        except BaseException:
            dialler.close()
            raise
        try:
            writer.write(request.data)
            await writer.drain()
            framer = StreamFramer(is_encrypted=self._is_encrypted())
            while piece := await reader.read(_READ_LENGTH):
                message = framer.feed(piece)
                if message is not None:
                    return message
            return None
        finally:
            # Nothing that we have written can still be wanted.
            writer.transport.abort()

    # Those that others open.

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        source = peer_address(writer.get_extra_info("peername"))
        stream = _Incoming("" if source is None else source.host, task)
        try:
            if source is None or not self._admit(stream):
                return
            async with asyncio.timeout(INCOMING_DEADLINE):
                await self._serve(stream, source, reader, writer)
        except (OSError, TimeoutError, WireError) as error:
            self._counters[f"stream_in_{type(error).__name__}"] += 1
        except asyncio.CancelledError:
            pass  # It had to go for another, or everything ends.
        finally:
            with contextlib.suppress(ValueError):
                self._incoming.remove(stream)
            # What a peer has not taken until here, closing politely would hold for as long as it likes.
            writer.transport.abort()

    def _admit(self, stream: _Incoming) -> bool:
        """Whether there is room for one more, or can be made."""
        if sum(other.host == stream.host for other in self._incoming) >= MAX_INCOMING_OF_ONE_HOST:
            self._counters["stream_in_over_limit_of_host"] += 1
            return False
        if len(self._incoming) >= MAX_INCOMING:
            self._counters["stream_in_over_limit"] += 1
            self._drop(self._incoming[0])
        self._incoming.append(stream)
        return True

    def _drop(self, stream: _Incoming) -> None:
        self._incoming.remove(stream)
        stream.task.cancel()

    async def _serve(
        self, stream: _Incoming, source: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        framer = StreamFramer(is_encrypted=self._is_encrypted())
        message = None
        while message is None:
            piece = await reader.read(_READ_LENGTH)
            if not piece:
                return
            stream.length += len(piece)
            if sum(other.length for other in self._incoming) > MAX_INCOMING_LENGTH:
                self._counters["stream_in_over_length"] += 1
                largest = max(self._incoming, key=lambda other: other.length)
                if largest is stream:
                    return
                self._drop(largest)
            message = framer.feed(piece)
        stream.length = 0
        reply = self._answer(message, source)
        if reply:
            writer.write(reply)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
