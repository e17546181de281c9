"""Somebody who means harm: a host beside a gossip world, with the pool's key or without it.

It sends whatever it likes from whatever address it says, sees what is sent to its own address, and can have taken down
what others sent each other.
"""

from dataclasses import dataclass, field

from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Alive, Message, PushPull, UserMessage
from ceilo_gossip.wire.packet import pack_datagram, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import SerfMessage
from ceilo_gossip.wire.stream import pack_stream, unpack_stream
from tests.support.gossip_world import PORT, GossipWorld, Host

HOME = Address("10.9.66.6", PORT)
KEY = Keyring([bytes(range(32))])


@dataclass
class Attacker:
    """keyring: the pool's, or None for who does not have it."""

    world: GossipWorld
    keyring: Keyring | None = None
    home: Address = HOME
    heard: list[tuple[bytes, Address]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.outsiders[self.home] = lambda data, source: self.heard.append((data, source))

    def send(self, host: Host, data: bytes, *, source: Address | None = None) -> None:
        """Any bytes, as a packet."""
        self.world.receive(host, data, source or self.home)

    def tell(self, host: Host, *messages: Message, source: Address | None = None) -> None:
        """Messages, as a packet of a member's."""
        data = pack_datagram([encode(message) for message in messages], keyring=self.keyring)
        self.send(host, data, source=source)

    def tell_serf(self, host: Host, *messages: SerfMessage, source: Address | None = None) -> None:
        self.tell(host, *(UserMessage(encode_serf(message)) for message in messages), source=source)

    def exchange(self, host: Host, message: PushPull) -> PushPull | None:
        """A push/pull: the host's answer, if there is one."""
        reply = self.stream(host, pack_stream(encode_for_stream(message), keyring=self.keyring))
        if not reply:
            return None
        answer = unpack_stream(reply, keyring=self.keyring)
        return answer if isinstance(answer, PushPull) else None

    def stream(self, host: Host, data: bytes) -> bytes:
        """Any bytes, as a stream; what comes back."""
        source = Address(self.home.host, 40000)
        return self.world.receive_stream(host, data, source)

    def understood(self) -> list[Message]:
        """What of the packets to its own address it can read."""
        found: list[Message] = []
        for data, _ in self.heard:
            try:
                found += unpack_datagram(data, keyring=self.keyring).messages
            except WireError:
                continue
        return found

    def understood_serf(self) -> list[SerfMessage]:
        return [decode_serf(one.payload) for one in self.understood() if isinstance(one, UserMessage)]


def alive_of(host: Host, incarnation: int, *, meta: bytes | None = None, address: Address | None = None) -> Alive:
    """A claim that a host lives, forged or not."""
    where = address or host.address
    return Alive(incarnation, host.settings.name, where.raw_host, where.port, meta or b"\xff\x80", OUR_VERSION)


def invented(count: int, *, incarnation: int = 1, meta: bytes = b"\xff\x80") -> list[Alive]:
    """Members that do not exist, each at an address of its own."""
    return [
        Alive(incarnation, f"invented-{n}", (0x0A100000 + n).to_bytes(4, "big"), PORT, meta, OUR_VERSION)
        for n in range(1, count + 1)
    ]


@dataclass
class Wiretap:
    """Takes down what hosts send; put it into `GossipWorld.on_sent`."""

    packets: list[tuple[str, bytes]] = field(default_factory=list)
    streams: list[tuple[str, bytes]] = field(default_factory=list)

    def __call__(self, host: Host, data: bytes, is_stream: bool) -> None:
        (self.streams if is_stream else self.packets).append((host.settings.name, data))
