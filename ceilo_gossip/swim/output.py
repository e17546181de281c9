"""What the core wants the transport to send."""

from dataclasses import dataclass

from ceilo_gossip.wire.address import Address


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP packet, ready to be sent."""

    data: bytes
    destination: Address


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """One exchange over TCP: dial, write `data`, read one whole message, close.

    id: to be given back with the reply. deadline: instant (monotonic seconds) at which the exchange has failed.
    """

    id: int
    destination: Address
    data: bytes
    deadline: float
