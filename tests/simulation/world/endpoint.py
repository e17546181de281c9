"""Stands where `transport.endpoint.Endpoint` stands: carries one Serf member's packets, streams and timer.

It keeps the real one's rules: packets that wait are read before a timer is handled, events are delivered before
anything is sent, and every stream ends by its deadline. While the process stands still, packets wait in the socket's
buffer, as many as it holds.
"""

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.swim.output import StreamRequest
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.stream import StreamFramer
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.process import Process

# Datagrams in a socket's buffer: 2 MiB (transport.endpoint) of packets, each of which the kernel counts with overhead.
SOCKET_BUFFER: Final = 2000
CONNECT: Final = 0.002  # Seconds until a connection is there, and for the way back.
SLACK: Final = 1e-6  # A timer fires a little late, never early.


class VirtualEndpoint:
    """One Serf member's sockets on one network."""

    def __init__(
        self,
        serf: Serf,
        *,
        bind: Address,
        clock: Clock,
        on_event: Callable[[Event], None],
        kernel: Kernel,
        fabric: Fabric,
        network: Network,
        process: Process,
        refuses: Callable[[str], bool],
        device: str | None = None,
    ) -> None:
        """device: not needed here, where an address is on one network only.

        refuses: whether a host's kernel runs, so that a closed port is refused at once.
        """
        self._serf = serf
        self._bind = bind
        self._clock = clock
        self._on_event = on_event
        self._kernel = kernel
        self._fabric = fabric
        self._network = network
        self._process = process
        self._refuses = refuses
        self._is_open = False
        self._is_flushing = False
        self._timer_due: float | None = None
        self._is_timer_missed = False
        self._unread: deque[tuple[bytes, Address]] = deque()
        self._unread_streams: deque[tuple[bytes, Address]] = deque()
        self.dropped = 0

    async def start(self) -> None:
        """Open the sockets."""
        self._fabric.bind(self._bind, self)
        self._is_open = True
        self._flush()

    async def close(self) -> None:
        """Close the sockets."""
        self.shut()

    def shut(self) -> None:
        """The same at once, as when the process is killed."""
        self._fabric.unbind(self._bind, self)
        self._is_open = False

    def poke(self) -> None:
        """Send what a call to the Serf from outside has put out."""
        if self._is_open:
            self._flush()

    @property
    def counters(self) -> Mapping[str, int]:
        """What was dropped."""
        return {"receive_buffer_full": self.dropped}

    def arrive(self, data: bytes, source: Address) -> None:
        """A datagram has come."""
        if self._process.is_paused:
            if len(self._unread) >= SOCKET_BUFFER:
                self.dropped += 1
            else:
                self._unread.append((data, source))
            return
        self._serf.receive_datagram(data, source, self._clock())
        self._flush()

    def catch_up(self) -> None:
        """The process goes on: read what waits, then handle a timer that is due."""
        if not self._is_open:
            return
        while self._unread:
            data, source = self._unread.popleft()
            self._serf.receive_datagram(data, source, self._clock())
        while self._unread_streams:
            data, source = self._unread_streams.popleft()
            self._serf.receive_stream(data, source, self._clock())
        if self._is_timer_missed:
            self._is_timer_missed = False
            self._serf.handle_timer(self._clock())
        self._flush()

    # The core's output.

    def _flush(self) -> None:
        if self._is_flushing:
            return
        self._is_flushing = True
        while (event := self._serf.next_event()) is not None:
            self._on_event(event)
        self._is_flushing = False
        if not self._is_open:
            return
        now = self._clock()
        for datagram in self._serf.datagrams_to_send(now):
            self._fabric.send(self._network, self._process.name, self._bind, datagram.destination, datagram.data)
        for request in self._serf.streams_to_open(now):
            self._kernel.after(CONNECT, self._connect, request)
        due = self._serf.get_timer()
        if due != self._timer_due:
            self._timer_due = due
            if due is not None:
                self._kernel.at(self._clock.to_world(due) + SLACK, self._fire, due)

    def _fire(self, due: float) -> None:
        if not self._is_open or due != self._timer_due:
            return
        if self._process.is_paused:
            self._is_timer_missed = True
            return
        self._timer_due = None
        self._serf.handle_timer(self._clock())
        self._flush()

    # Streams.

    def _connect(self, request: StreamRequest) -> None:
        if not self._is_open:
            return
        deadline = self._clock.to_world(request.deadline)
        name = self._fabric.name_of(request.destination)
        target = self._fabric.receiver(request.destination)
        if name is None or not self._fabric.connects(self._network, self._process.name, name):
            self._kernel.at(deadline, self._finish, request.id, None)
        elif not isinstance(target, VirtualEndpoint):
            # Nobody listens: the kernel refuses at once, if there is one.
            at = self._kernel.now + CONNECT if self._refuses(name) else deadline
            self._kernel.at(at, self._finish, request.id, None)
        else:
            caller = dataclasses.replace(self._bind, port=40000 + request.id % 20000)
            reply = target.serve(_whole(request.data), caller)
            at = self._kernel.now + CONNECT if reply is not None else deadline
            self._kernel.at(at, self._finish, request.id, _whole(reply) if reply else None)

    def serve(self, data: bytes, source: Address) -> bytes | None:
        """Answer a stream; None while the process stands still."""
        if self._process.is_paused:
            if len(self._unread_streams) < SOCKET_BUFFER:
                self._unread_streams.append((data, source))
            return None
        reply = self._serf.receive_stream(data, source, self._clock())
        self._flush()
        return reply

    def _finish(self, request_id: int, reply: bytes | None) -> None:
        if not self._is_open:
            return
        if self._process.is_paused:
            self._kernel.after(0.05, self._finish, request_id, reply)
            return
        self._serf.receive_stream_reply(request_id, reply, self._clock())
        self._flush()


def _whole(stream: bytes) -> bytes:
    message = StreamFramer().feed(stream)
    assert message == stream, "the framer must find the end of our own messages"
    return message
