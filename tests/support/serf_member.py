"""One Serf member whose peers are played by the test: what it is told, and what it sends."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Dead, Message, Suspect, UserMessage
from ceilo_gossip.wire.packet import pack_datagram, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import SerfMessage
from tests.support.swim_member import BELIEVED_AFTER, OWN, address_of, alive

ASKER = address_of("p5")


@dataclass
class LoneSerf:
    """The member "me" of role "web" that knows p2..p5; the test plays them.

    keyring: what the peers use; the member begins with the same. options: other settings of the member.
    """

    now: float = 1000.0
    keyring: Keyring | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    serf: Serf = field(init=False)

    def __post_init__(self) -> None:
        usual = {"name": "me", "tags": {"role": "web"}, "tombstone_timeout": 100.0, "reconnect_timeout": 200.0}
        settings = SerfSettings(**{**usual, **self.options}, address=OWN, keyring=self.keyring)
        self.serf = Serf(settings, rng=random.Random(1), now=self.now)
        for number in range(2, 6):
            self.hear(alive(f"p{number}"))
        self.events()
        self.told()

    def hear(self, message: Message) -> None:
        self.serf.receive_datagram(pack_datagram([encode(message)], keyring=self.keyring), ASKER, self.now)

    def hear_serf(self, message: SerfMessage) -> None:
        self.hear(UserMessage(encode_serf(message)))

    def bury(self, name: str, by: str) -> None:
        """`by` doubts a member at incarnation 1 and gives it up when its time to refute is over."""
        self.hear(Suspect(1, name, by))
        self.now += BELIEVED_AFTER
        self.hear(Dead(1, name, by))

    def events(self) -> list[Event]:
        told = []
        while (event := self.serf.next_event()) is not None:
            told.append(event)
        return told

    def told(self) -> list[tuple[SerfMessage, Address]]:
        """The Serf messages sent at once and with the next gossip."""
        self.serf.handle_timer(self.now)
        self.now += 0.2
        self.serf.handle_timer(self.now)
        return self.sent()

    def sent(self) -> list[tuple[SerfMessage, Address]]:
        """The Serf messages sent since the last look, without waiting for gossip."""
        return [
            (decode_serf(message.payload), datagram.destination)
            for datagram in self.serf.datagrams_to_send(self.now)
            for message in unpack_datagram(datagram.data, keyring=self.keyring).messages
            if isinstance(message, UserMessage)
        ]

    def state(self, name: str) -> MemberState:
        return self.serf.members()[name].state
