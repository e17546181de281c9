"""The UDP socket of one pool.

Packets that wait are handed over up to a bound, so that a flood leaves a turn to others. A packet for which the send
buffer has no room waits until there is, up to a bound; any other error of the network (no route, refused, the device
gone) loses the packet, which the protocol survives.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable

from ceilo_gossip.swim.output import Datagram
from ceilo_gossip.transport.sockets import Binding, peer_address
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.packet import MAX_DATAGRAM_LENGTH

# Packets read before anything else gets its turn: far more than a second's worth in a pool of a thousand.
MAX_READ_AT_ONCE = 256
# Packets that wait for room in the send buffer: one to each member of a pool of a thousand. Older ones are worth more,
# for the newest are mostly repetitions, so what comes on top is dropped.
MAX_UNSENT = 1024


class Packets:
    """One UDP socket. `on_readable` is called when packets wait; fetch them with `receive`."""

    def __init__(self, binding: Binding, counters: Counter[str], *, on_readable: Callable[[], None]) -> None:
        self._binding = binding
        self._counters = counters
        self._on_readable = on_readable
        self._socket: socket.socket | None = None
        self._unsent: deque[Datagram] = deque()

    def open(self) -> None:
        """Bind and begin; `OSError` when that cannot be."""
        self._socket = self._binding.packets()
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._on_readable)

    def close(self) -> None:
        """Release the address; what waits is lost."""
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._unsent.clear()

    def receive(self, take: Callable[[bytes, Address], None]) -> None:
        """Hand over the packets that wait, up to the bound."""
        for _ in range(MAX_READ_AT_ONCE):
            if self._socket is None:
                return
            try:
                data, peer = self._socket.recvfrom(MAX_DATAGRAM_LENGTH)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                # An ICMP error about something we sent earlier is delivered here.
                self._counters[f"receive_{type(error).__name__}"] += 1
                continue
            source = peer_address(peer)
            if source is not None:
                take(data, source)

    def send(self, datagram: Datagram) -> None:
        """Send it now, or as soon as there is room."""
        if self._unsent:
            self._keep(datagram)
        elif not self._try(datagram):
            self._keep(datagram)
            assert self._socket is not None
            asyncio.get_running_loop().add_writer(self._socket.fileno(), self._writable)

    def _try(self, datagram: Datagram) -> bool:
        """Send it; False when there is no room."""
        if self._socket is None:
            self._counters["send_closed"] += 1
            return True
        try:
            self._socket.sendto(datagram.data, (datagram.destination.host, datagram.destination.port))
        except BlockingIOError:
            return False
        except OSError as error:
            self._counters[f"send_{type(error).__name__}"] += 1
        return True

    def _keep(self, datagram: Datagram) -> None:
        if len(self._unsent) < MAX_UNSENT:
            self._unsent.append(datagram)
        else:
            self._counters["send_over_limit"] += 1

    def _writable(self) -> None:
        while self._unsent and self._try(self._unsent[0]):
            self._unsent.popleft()
        if not self._unsent and self._socket is not None:
            asyncio.get_running_loop().remove_writer(self._socket.fileno())
