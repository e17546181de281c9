"""The sockets of one network: bound to its address and, when its device is named, to that device.

A socket bound to an address alone still takes packets that come in on another device of the host, and the route
decides where its own leave. Bound to the device, too (SO_BINDTODEVICE), it sees and uses nothing else, whatever the
routes say. That binding is to the device as it is now: one that is removed and made anew has another index.
"""

import socket
from dataclasses import dataclass

from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.errors import WireError

# memberlist asks for this much, so that a burst survives a busy moment; the kernel may grant less.
RECEIVE_BUFFER_LENGTH = 2 * 1024 * 1024
_BACKLOG = 64


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a pool lives: an address of this host and, if wanted, the name of the network device that it is on."""

    address: Address
    device: str | None = None

    def __str__(self) -> str:
        return str(self.address) if self.device is None else f"{self.address} on device {self.device}"

    def packets(self) -> socket.socket:
        """A UDP socket; `OSError` when the address or the device is not there, or the port is taken."""
        udp = self._socket(socket.SOCK_DGRAM)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_LENGTH)
            self._bind(udp, self.address.port)
        except BaseException:
            udp.close()
            raise
        return udp

    def listener(self) -> socket.socket:
        """A TCP socket that listens; `OSError` as for packets."""
        tcp = self._socket(socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._bind(tcp, self.address.port)
            tcp.listen(_BACKLOG)
        except BaseException:
            tcp.close()
            raise
        return tcp

    def dialler(self) -> socket.socket:
        """A TCP socket to dial with, from this address and any port; `OSError` as for packets."""
        tcp = self._socket(socket.SOCK_STREAM)
        try:
            self._bind(tcp, 0)
        except BaseException:
            tcp.close()
            raise
        return tcp

    def device_index(self) -> int | None:
        """The kernel's number of the device as it is now; None when there is none, or none is named."""
        try:
            return None if self.device is None else socket.if_nametoindex(self.device)
        except OSError:
            return None

    def _socket(self, kind: socket.SocketKind) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in self.address.host else socket.AF_INET, kind)
        made.setblocking(False)
        return made

    def _bind(self, made: socket.socket, port: int) -> None:
        try:
            if self.device is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.device.encode())
            made.bind((self.address.host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot bind {self}: {error.strerror}") from error


def peer_address(peer: object) -> Address | None:
    """The address in what a socket tells of its peer."""
    if not isinstance(peer, tuple) or len(peer) < 2:
        return None
    try:
        return Address(str(peer[0]).partition("%")[0], int(peer[1]))
    except WireError:
        return None
