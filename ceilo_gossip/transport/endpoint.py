"""Drive one Serf member on one network address with asyncio: a UDP socket, a TCP listener and a timer.

It decides nothing. It keeps these rules: both sockets are bound to the network's address, and streams are dialled
from it, so that a pool never uses another network; packets that wait in the socket are read before a timer is
handled, so that nobody is suspected whose answer has arrived; every stream has a deadline and a size, and there are
never more than so many; an error of the network (no route, refused, interface gone) loses a packet, never the pool.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.packet import MAX_DATAGRAM_LENGTH
from ceilo_gossip.wire.stream import StreamFramer

# Incoming exchanges at one time; memberlist closes at 128. Each may hold wire.codec.MAX_STREAM_LENGTH bytes.
MAX_INCOMING_STREAMS = 32
# Outgoing ones; the core has at most 128 requests under way, those beyond this wait for their turn.
MAX_OUTGOING_STREAMS = 32
INCOMING_DEADLINE = 10.0  # seconds for a whole incoming exchange; memberlist's TCPTimeout on a LAN
# Packets read before anything else gets its turn: far more than a second's worth in a pool of a thousand.
MAX_READ_AT_ONCE = 256
# memberlist asks for this much, so that a burst survives a busy moment; the kernel may grant less.
RECEIVE_BUFFER_LENGTH = 2 * 1024 * 1024
_READ_LENGTH = 65536
_BACKLOG = 64


class Endpoint:
    """One Serf member's sockets. Use from one event loop only."""

    def __init__(
        self, serf: Serf, *, bind: Address, clock: Callable[[], float], on_event: Callable[[Event], None]
    ) -> None:
        """clock: monotonic seconds, the `now` of the core. on_event: called for each event, in order, in the loop."""
        self._serf = serf
        self._bind = bind
        self._clock = clock
        self._on_event = on_event
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._incoming = 0
        self._outgoing = asyncio.Semaphore(MAX_OUTGOING_STREAMS)
        self._is_flushing = False
        self._counters: Counter[str] = Counter()

    @property
    def serf(self) -> Serf:
        return self._serf

    @property
    def counters(self) -> Mapping[str, int]:
        """What the network refused or we had to drop, by reason."""
        return self._counters

    async def start(self) -> None:
        """Bind the sockets and begin; `OSError` when the address is not there or is in use."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._bind.host else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_LENGTH)
            udp.bind((self._bind.host, self._bind.port))
            self._server = await asyncio.start_server(
                self._accept, self._bind.host, self._bind.port, backlog=_BACKLOG, family=family
            )
        except BaseException:
            udp.close()
            raise
        self._udp = udp
        loop.add_reader(udp.fileno(), self._readable)
        self._flush()

    async def close(self) -> None:
        """Stop everything and release the address. Say `leave` before, if peers are not to see a failure."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def poke(self) -> None:
        """Flush what a call to the Serf from outside has put out, and follow its timer."""
        if self._udp is not None:
            self._flush()

    # Packets.

    def _readable(self) -> None:
        self._read_all()
        self._flush()

    def _read_all(self) -> None:
        """Hand over the packets that wait, up to a bound."""
        for _ in range(MAX_READ_AT_ONCE):
            if self._udp is None:
                return
            try:
                data, peer = self._udp.recvfrom(MAX_DATAGRAM_LENGTH)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # An ICMP error about something we sent earlier is delivered here.
                self._counters[f"receive_{type(error).__name__}"] += 1
                continue
            source = _address(peer)
            if source is not None:
                self._serf.receive_datagram(data, source, self._clock())

    def _send(self, data: bytes, destination: Address) -> None:
        assert self._udp is not None
        try:
            self._udp.sendto(data, (destination.host, destination.port))
        except OSError as error:
            # No route, a full buffer, a refused port: all of them are a lost packet, which the protocol survives.
            self._counters[f"send_{type(error).__name__}"] += 1

    # The core's output.

    def _flush(self) -> None:
        """Deliver events, send packets, open streams, set the timer; again while the owner adds to it meanwhile."""
        if self._is_flushing:
            return
        self._is_flushing = True
        try:
            while (event := self._serf.next_event()) is not None:
                self._on_event(event)
        finally:
            self._is_flushing = False
            if self._udp is not None:
                now = self._clock()
                for datagram in self._serf.datagrams_to_send(now):
                    self._send(datagram.data, datagram.destination)
                for request in self._serf.streams_to_open(now):
                    self._spawn(self._exchange(request))
                self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        due = self._serf.get_timer()
        if self._timer is not None:
            if due == self._timer_due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._read_all()
        self._serf.handle_timer(self._clock())
        self._flush()

    # Streams.

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, request: StreamRequest) -> None:
        """One exchange of ours: the core hears of its end, however it ends."""
        reply: bytes | None = None
        try:
            async with asyncio.timeout(max(0.0, request.deadline - self._clock())), self._outgoing:
                reply = await self._ask(request)
        except (OSError, TimeoutError, WireError) as error:
            self._counters[f"stream_out_{type(error).__name__}"] += 1
        if self._udp is not None:
            self._serf.receive_stream_reply(request.id, reply, self._clock())
            self._flush()

    async def _ask(self, request: StreamRequest) -> bytes | None:
        destination = request.destination
        reader, writer = await asyncio.open_connection(
            destination.host, destination.port, local_addr=(self._bind.host, 0)
        )
        try:
            writer.write(request.data)
            await writer.drain()
            return await _read_message(reader)
        finally:
            await _close(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One exchange that a peer asks for."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._incoming += 1
        try:
            if self._incoming > MAX_INCOMING_STREAMS:
                self._counters["stream_in_over_limit"] += 1
                return
            async with asyncio.timeout(INCOMING_DEADLINE):
                await self._answer(reader, writer)
        except (OSError, TimeoutError, WireError) as error:
            self._counters[f"stream_in_{type(error).__name__}"] += 1
        finally:
            self._incoming -= 1
            await _close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = _address(writer.get_extra_info("peername"))
        data = await _read_message(reader)
        if source is None or data is None or self._udp is None:
            return
        reply = self._serf.receive_stream(data, source, self._clock())
        self._flush()
        if reply:
            writer.write(reply)
            await writer.drain()


async def _read_message(reader: asyncio.StreamReader) -> bytes | None:
    """One whole message, None when the peer closes before; `WireError` when it cannot become one."""
    framer = StreamFramer()
    while piece := await reader.read(_READ_LENGTH):
        message = framer.feed(piece)
        if message is not None:
            return message
    return None


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


def _address(peer: object) -> Address | None:
    """The address in what a socket tells of its peer."""
    if not isinstance(peer, tuple) or len(peer) < 2:
        return None
    try:
        return Address(str(peer[0]).partition("%")[0], int(peer[1]))
    except WireError:
        return None
