"""Drive one Serf member on one network address with asyncio: a UDP socket, a TCP listener and a timer.

It decides nothing. It keeps these rules: both sockets are bound to the network's address (and its device, if one is
named), and streams are dialled from it, so that a pool never uses another network; packets that wait in the socket are
read before a timer is handled, so that nobody is suspected whose answer has arrived; an error of the network (no route,
refused, interface gone) loses a packet, never the pool. Bounds and deadlines are those of `packets` and `streams`.

An address that goes and comes back needs nothing. A device that was made anew is another one to the kernel, so while
one is named it is looked at now and then, and the sockets are opened again when it has changed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.transport.packets import Packets
from ceilo_gossip.transport.sockets import Binding
from ceilo_gossip.transport.streams import Streams
from ceilo_gossip.wire.address import Address

# Seconds between two looks at a named device. A network that was made anew is back well before anybody is given up.
DEVICE_INTERVAL = 2.0


class Endpoint:
    """One Serf member's sockets. Use from one event loop only."""

    def __init__(
        self,
        serf: Serf,
        *,
        bind: Address,
        clock: Callable[[], float],
        on_event: Callable[[Event], None],
        device: str | None = None,
    ) -> None:
        """clock: monotonic seconds, the `now` of the core. on_event: called for each event, in order, in the loop.

        device: the name of the network device that alone is to be used; None for whatever the routes say.
        """
        self._serf = serf
        self._binding = Binding(bind, device)
        self._clock = clock
        self._on_event = on_event
        self._counters: Counter[str] = Counter()
        self._packets = Packets(self._binding, self._counters, on_readable=self._readable)
        self._streams = Streams(
            self._binding, self._counters, answer=self._answer, is_encrypted=lambda: serf.keyring is not None
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._is_running = False
        self._is_flushing = False

    @property
    def serf(self) -> Serf:
        return self._serf

    @property
    def counters(self) -> Mapping[str, int]:
        """What the network refused or we had to drop, by reason."""
        return self._counters

    async def start(self) -> None:
        """Bind the sockets and begin; `OSError` when the address or device is not there, or the port is in use."""
        await self._open()
        self._is_running = True
        if self._binding.device is not None:
            self._watch = asyncio.get_running_loop().create_task(self._watch_device())
        self._flush()

    async def close(self) -> None:
        """Stop everything and release the address. Say `leave` before, if peers are not to see a failure."""
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        self._packets.close()
        await self._streams.close()

    def poke(self) -> None:
        """Flush what a call to the Serf from outside has put out, and follow its timer."""
        if self._is_running:
            self._flush()

    async def _open(self) -> None:
        self._packets.open()
        try:
            await self._streams.open()
        except BaseException:
            self._packets.close()
            raise

    async def _watch_device(self) -> None:
        """Open the sockets again when the device has become another one of that name."""
        opened_on = self._binding.device_index()
        while True:
            await asyncio.sleep(DEVICE_INTERVAL)
            index = self._binding.device_index()
            if index is None or index == opened_on:
                continue
            self._counters["device_changes"] += 1
            self._packets.close()
            await self._streams.close()
            try:
                await self._open()
            except OSError as error:
                # Its address is not there yet.
                self._counters[f"reopen_{type(error).__name__}"] += 1
            else:
                opened_on = index
                self._flush()

    # The core's input.

    def _readable(self) -> None:
        self._read()
        self._flush()

    def _read(self) -> None:
        self._packets.receive(lambda data, source: self._serf.receive_datagram(data, source, self._clock()))

    def _timer_fired(self) -> None:
        self._timer = None
        self._read()
        self._serf.handle_timer(self._clock())
        self._flush()

    def _answer(self, data: bytes, source: Address) -> bytes:
        if not self._is_running:
            return b""
        reply = self._serf.receive_stream(data, source, self._clock())
        self._flush()
        return reply

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
            if self._is_running:
                now = self._clock()
                for datagram in self._serf.datagrams_to_send(now):
                    self._packets.send(datagram)
                for request in self._serf.streams_to_open(now):
                    self._dial(request, now)
                self._set_timer(now)

    def _dial(self, request: StreamRequest, now: float) -> None:
        def finish(reply: bytes | None) -> None:
            if self._is_running:
                self._serf.receive_stream_reply(request.id, reply, self._clock())
                self._flush()

        self._streams.dial(request, request.deadline - now, finish)

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
