"""One SWIM core whose peers are played by the test: what it is told, and what it sends."""

import random

from ceilo_gossip.swim.answers import Answer
from ceilo_gossip.swim.events import SwimEvent
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.swim import Identity, Swim
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.messages import Ack, Alive, Dead, Message, Ping, Suspect
from ceilo_gossip.wire.packet import unpack_datagram

OWN = Address("10.0.0.1", 7946)


def address_of(name: str) -> Address:
    """p2, p3, ... live at 10.0.0.2, 10.0.0.3, ..."""
    return Address(f"10.0.0.{int(name[1:])}", 7946)


def alive(name: str, incarnation: int = 1, *, meta: bytes = b"\xff\x80", address: Address | None = None) -> Alive:
    where = address or (OWN if name == "me" else address_of(name))
    return Alive(incarnation, name, where.raw_host, where.port, meta, OUR_VERSION)


# Half of the shortest suspicion in a small pool (LAN): the death that another tells is believed from here on.
BELIEVED_AFTER = 2.0


class LoneSwim:
    """The core named "me", with helpers to talk to it. Starts at virtual second 1000."""

    def __init__(self, settings: SwimSettings | None = None, *, seed: int = 1) -> None:
        self.now = 1000.0
        self.swim = Swim(
            Identity("me", OWN, b"\xff\x80"),
            settings or SwimSettings.lan(),
            local_state=lambda: b"",
            rng=random.Random(seed),
            now=self.now,
        )
        self.answers: set[str] = set()  # members that ack direct pings at once

    def hear(self, message: Message, source: str = "p9") -> None:
        self.swim.receive_datagram(encode(message), address_of(source), self.now)

    def meet(self, *names: str) -> None:
        for name in names:
            self.hear(alive(name))
        self.sent()
        self.events()

    def bury(self, name: str, by: str) -> None:
        """`by` doubts a member at incarnation 1 and gives it up when its time to refute is over."""
        self.hear(Suspect(1, name, by))
        self.now += BELIEVED_AFTER
        self.hear(Dead(1, name, by))

    def sent(self) -> list[tuple[Message, Address]]:
        """What was sent since the last look, taken apart."""
        return [
            (message, datagram.destination)
            for datagram in self.swim.datagrams_to_send(self.now)
            for message in unpack_datagram(datagram.data).messages
        ]

    def events(self) -> list[SwimEvent]:
        told = []
        while (event := self.swim.next_event()) is not None:
            told.append(event)
        return told

    def state(self, name: str) -> MemberState | None:
        record = self.swim.table.get(name)
        return None if record is None else record.state

    def incarnation(self, name: str) -> int:
        record = self.swim.table.get(name)
        assert record is not None
        return record.incarnation

    def answer(self, name: str) -> Answer | None:
        return self.swim.table.answers.get(name)

    def is_suspicion_running(self, name: str) -> bool:
        return self.swim._claims._suspicions.get(name) is not None

    def run(self, seconds: float) -> list[tuple[Message, Address]]:
        """Let time pass; members in `answers` ack. Gives all that was sent."""
        end, log = self.now + seconds, []
        # A timer that stays due is a busy loop in production; an honest core needs a few wakes in each interval.
        for _ in range(1000 + int(100 * seconds)):
            for message, destination in self.sent():
                log.append((message, destination))
                if isinstance(message, Ping) and message.member in self.answers:
                    self.hear(Ack(message.seq_no), message.member)
            due = self.swim.get_timer()
            if due > end:
                self.now = end
                return log
            self.now = max(self.now, due)
            self.swim.handle_timer(self.now)
        raise AssertionError("the timer fires for ever")
