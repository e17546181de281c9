"""A whole member, driven by bytes: what its peers send, its clock does and its owner wants, in any order.

The bytes are a list of steps (`steps_of`), so that a mutation of one step leaves the others what they are. Peers know
the key, name each other and us, know our sequence numbers, and stop at nothing. After each step the member must have
raised nothing, sent only what does no harm to a real agent (`tests/support/emission.py`), not be busy for ever, and
still be there under its own name; at the end nothing that it holds may be larger than its bound.

    python -m tests.fuzz.member HEX     tells what the steps in these bytes are
"""

import contextlib
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ceilo_gossip.serf.events import KeyringChanging, QueryReceived
from ceilo_gossip.serf.keys import install_key, remove_key, use_key
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Phase, Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.output import Datagram, StreamRequest
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_INCARNATION, MAX_LTIME, OUR_VERSION
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import (
    Ack,
    Alive,
    Dead,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPull,
    RemoteRecord,
    Suspect,
    UserMessage,
)
from ceilo_gossip.wire.packet import label_header, pack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_filter, encode_serf
from ceilo_gossip.wire.serf_messages import (
    ConflictResponse,
    JoinIntent,
    KeyRequest,
    LeaveIntent,
    NameFilter,
    PastEvents,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    SerfState,
    TagFilter,
    UserEvent,
)
from ceilo_gossip.wire.stream import pack_stream
from tests.fuzz.bounds import LARGEST_CONTAINER, containers, small_bounds
from tests.support import emission

OWN = Address("10.0.0.1", 7946)
NAMES = ("me", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "q1", "q2", "q3", "n" * 255, "é", "me ", "10.0.0.2")
HOSTS = (OWN, *(Address(f"10.0.0.{n}", 7946) for n in range(2, 14)), Address("fe80::1", 1), Address("10.0.0.1", 1))
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 255, 1000, MAX_INCARNATION - 1, MAX_INCARNATION, 2**32 - 1)
LTIMES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 600, 2**32, MAX_LTIME - 1, MAX_LTIME, 2**63 - 2)
QUERIES = ("_serf_ping", "_serf_conflict", "_serf_install-key", "_serf_use-key", "_serf_remove-key", "_serf_list-keys")
KEYS = (bytes(32), bytes(range(16)), b"k" * 24, b"short")
METAS = (b"\xff\x80", b"\xff\x81\xa4role\xa3web", b"", b"junk", b"\xff\xc1")
VERSIONS = (OUR_VERSION, OUR_VERSION, OUR_VERSION, bytes((1, 5, 2, 2, 4, 4)), bytes((1, 2, 1, 2, 5, 5)))
MAX_STEPS = 200
Thing = TypeVar("Thing")
# Calls of the timer at one instant before it counts as busy for ever.
MAX_TIMERS = 20


class Impossible(Exception):
    """The step is about a message that cannot exist, so nobody can send it."""


def made(make: Callable[[], Thing]) -> Thing:
    """What `make` makes; `Impossible` when it cannot."""
    try:
        return make()
    except WireError:
        raise Impossible from None


@dataclass(frozen=True, slots=True)
class Step:
    """kind: which step. content: all that it depends on."""

    kind: int
    content: bytes


def steps_of(data: bytes) -> Iterator[Step]:
    """The first byte says the pool's kind; then each step is a kind, a length and so many bytes."""
    at = 1
    for _ in range(MAX_STEPS):
        if at + 2 > len(data):
            return
        length = data[at + 1]
        yield Step(data[at] % len(STEPS), data[at + 2 : at + 2 + length])
        at += 2 + length


def bytes_of(first: int, steps: Sequence[Step]) -> bytes:
    """The inverse of `steps_of`."""
    return bytes((first,)) + b"".join(bytes((step.kind, len(step.content))) + step.content for step in steps)


class Choices:
    """Numbers drawn from a step's bytes, 0 when there are none left."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def byte(self) -> int:
        byte, self._left = self._left[:1], self._left[1:]
        return byte[0] if byte else 0

    def of(self, things: Sequence[Thing]) -> Thing:
        return things[self.byte() % len(things)]

    def rest(self) -> bytes:
        rest, self._left = self._left, b""
        return rest


class Story:
    """One member and what has come of it so far."""

    def __init__(self, kind: int) -> None:
        self.keyring = Keyring(KEYS[:2]) if kind & 1 else None
        self.label = b"pool" if kind & 2 else b""
        self.now = 1000.0
        settings = SerfSettings(
            "me",
            OWN,
            tags={"role": "web"},
            keyring=self.keyring,
            keyring_is_stored=bool(kind & 4),
            label=self.label,
            tombstone_timeout=60.0,
            reconnect_timeout=90.0,
        )
        self.serf = Serf(settings, rng=random.Random(kind), now=self.now)
        self.sent: deque[Datagram] = deque(maxlen=16)
        self.requests: deque[StreamRequest] = deque(maxlen=16)
        self.asked: deque[QueryReceived] = deque(maxlen=4)
        self.changes: deque[KeyringChanging] = deque(maxlen=4)
        self.pings: deque[int] = deque([0], maxlen=4)
        self.ids: deque[int] = deque([0], maxlen=4)
        self.told: set[type] = set()  # the kinds of events that there have been

    # What peers do.

    def hear(self, data: bytes, source: Address) -> None:
        envelope = self.keyring.seal(data, self.label, random_bytes=bytes) if self.keyring is not None else data
        self.serf.receive_datagram(label_header(self.label) + envelope, source, self.now)

    def junk(self, choices: Choices) -> None:
        self.hear(choices.rest(), choices.of(HOSTS))

    def from_outside(self, choices: Choices) -> None:
        self.serf.receive_datagram(choices.rest(), HOSTS[1], self.now)

    def packet(self, choices: Choices) -> None:
        parts = made(lambda: [encode(self.message(choices)) for _ in range(1 + choices.byte() % 4)])
        self.hear(pack_datagram(parts, with_crc=bool(choices.byte() & 1)), choices.of(HOSTS))

    def serf_packet(self, choices: Choices) -> None:
        self.hear(made(lambda: encode(UserMessage(encode_serf(self.serf_message(choices))))), choices.of(HOSTS))

    def reflected(self, choices: Choices) -> None:
        if self.sent:
            self.serf.receive_datagram(choices.of(self.sent).data, choices.of(HOSTS), self.now)

    def stream(self, choices: Choices) -> None:
        self.answer_of(pack_stream(choices.rest(), keyring=self.keyring, label=self.label))

    def push_pull(self, choices: Choices) -> None:
        self.answer_of(pack_stream(made(lambda: self.exchange(choices)), keyring=self.keyring, label=self.label))

    def answer_of(self, data: bytes) -> None:
        reply = self.serf.receive_stream(data, Address("10.0.0.2", 40000), self.now)
        if reply:
            emission.check_stream(reply, keyring=self.serf.keyring, label=self.label)

    def reply(self, choices: Choices) -> None:
        """An exchange that the member began ends."""
        if not self.requests:
            return
        request = self.requests.popleft()
        kind = choices.byte() % 4
        content = {
            0: lambda: made(lambda: self.exchange(choices)),
            1: lambda: encode_for_stream(Ack(self.pings[-1])),
            2: choices.rest,
            3: lambda: b"",
        }[kind]()
        data = pack_stream(content, keyring=self.keyring, label=self.label) if content else None
        self.serf.receive_stream_reply(request.id, data, self.now)

    # What time and the owner do.

    def wait(self, choices: Choices) -> None:
        """Time passes, in tenths of a second or in seconds; the timer may be late for once."""
        self.now += choices.byte() / 10 + choices.byte()
        self.timers()

    def follow(self, choices: Choices) -> None:
        """The timer is handled at its time, a few times over."""
        for _ in range(choices.byte() % 16):
            due = self.serf.get_timer()
            if due is None:
                return
            self.now = max(self.now, due)
            self.timers()
            self.drain()

    def timers(self) -> None:
        for _ in range(MAX_TIMERS):
            self.serf.handle_timer(self.now)
            due = self.serf.get_timer()
            if due is None or due > self.now:
                return
        raise AssertionError("the timer is due for ever")

    def owner(self, choices: Choices) -> None:
        serf, now = self.serf, self.now
        match choices.byte() % 11:
            case 0:
                serf.set_tags({"role": "web", "n": str(choices.byte())}, now)
            case 1:
                serf.join([choices.of(HOSTS) for _ in range(choices.byte() % 4)], now)
            case 2:
                serf.probe(choices.of(NAMES), now)
            case 3 | 4:
                self.ask(choices)
            case 5:
                if self.asked and self.asked[-1].deadline >= now:
                    serf.answer(self.asked[-1], choices.rest(), now)
            case 6:
                if self.changes:
                    serf.key_stored(self.changes.popleft(), now)
            case 7:
                if self.changes:
                    serf.key_refused(self.changes.popleft(), "no", now)
            case 8:
                serf.force_leave(choices.of(NAMES), now, prune=bool(choices.byte() & 1))
            case 9:
                with contextlib.suppress(ValueError):
                    serf.send_event("a", choices.rest(), now)
            case 10:
                serf.take_answers()
                if choices.byte() == 77:
                    serf.leave(now)

    def ask(self, choices: Choices) -> None:
        make = choices.of((install_key, use_key, remove_key))
        request = make(KEYS[choices.byte() % 3]) if choices.byte() % 4 == 0 else QueryRequest("up", choices.rest())
        try:
            self.ids.append(self.serf.query(request, self.now))
        except ValueError:
            return  # Too many run, or we are leaving.

    # What there is to say.

    def message(self, choices: Choices) -> Message:
        number, name, other, host = choices.of(NUMBERS), choices.of(NAMES), choices.of(NAMES), choices.of(HOSTS)
        kind = choices.byte() % 10
        if kind in (0, 1, 2):
            return Alive(number, name, host.raw_host, host.port, choices.of(METAS), choices.of(VERSIONS))
        if kind == 3:
            return Suspect(number, name, other)
        if kind == 4:
            return Dead(number, name, other)
        if kind == 5:
            return Ping(number, choices.of(("me", "", name)), host.raw_host, host.port, other)
        if kind == 6:
            return IndirectPing(number, host.raw_host, host.port, name, True, OWN.raw_host, OWN.port, other)
        if kind == 7:
            return Ack(choices.of(self.pings), choices.rest())
        if kind == 8:
            return Nack(choices.of(self.pings))
        return UserMessage(encode_serf(self.serf_message(choices)))

    def serf_message(self, choices: Choices, *, may_relay: bool = True) -> SerfMessage:
        ltime, name, host = choices.of(LTIMES), choices.of(NAMES), choices.of(HOSTS)
        kind = choices.byte() % 9
        if kind == 0:
            return LeaveIntent(ltime, name, bool(choices.byte() & 1))
        if kind == 1:
            return JoinIntent(ltime, name)
        if kind == 2:
            return UserEvent(ltime, choices.of(("a", "b", "")), choices.rest(), False)
        if kind in (3, 4):
            return self.query(choices, ltime, name, host)
        if kind in (5, 6):
            number, flags = choices.of(self.ids), choices.byte() & 1
            payload = encode_serf(self.conflict(choices)) if kind == 5 else choices.rest()
            return QueryResponse(ltime, number, name, flags, payload)
        if kind == 7 and may_relay:
            return Relay(host, name, encode_serf(self.serf_message(choices, may_relay=False)))
        return SerfState(ltime, {name: ltime}, (), 1, 1)

    def query(self, choices: Choices, ltime: int, name: str, host: Address) -> Query:
        query = choices.of((*QUERIES, "up", "up"))
        payload = encode_serf(KeyRequest(choices.of(KEYS))) if "key" in query else name.encode()
        filters = ((), (encode_filter(NameFilter((name,))),), (encode_filter(TagFilter("role", "w.*")),), (b"\x07",))
        flags, relays, timeout = choices.byte() % 4, choices.byte(), choices.byte() * 10**8
        return Query(
            ltime,
            choices.byte(),
            host.raw_host,
            host.port,
            name,
            choices.of(filters),
            flags,
            relays,
            timeout,
            query,
            payload,
        )

    def conflict(self, choices: Choices) -> ConflictResponse:
        host = choices.of(HOSTS)
        return ConflictResponse(choices.of(NAMES), host.raw_host, host.port, {}, 1, (1, 5, 2), (2, 5, 5))

    def exchange(self, choices: Choices) -> bytes:
        """A push/pull, of which the state may be anything."""
        records = []
        is_join = bool(choices.byte() & 1)
        for _ in range(choices.byte() % 12):
            host = choices.of(HOSTS)
            records.append(
                RemoteRecord(
                    choices.of(NAMES),
                    host.raw_host,
                    host.port,
                    choices.of(METAS),
                    choices.of(NUMBERS[:-1]),
                    choices.byte() % 4,
                    choices.of(VERSIONS),
                )
            )
        kind = choices.byte() % 3
        state = b"" if kind == 0 else choices.rest() if kind == 1 else encode_serf(self.state(choices))
        return encode_for_stream(PushPull(is_join, tuple(records), state))

    def state(self, choices: Choices) -> SerfState:
        ltimes = {choices.of(NAMES): choices.of(LTIMES) for _ in range(choices.byte() % 8)}
        left = tuple(name for name in ltimes if choices.byte() & 1)
        clocks = [choices.of(LTIMES) for _ in range(3)]
        past = [PastEvents(choices.of(LTIMES), (("a", choices.rest()), ("b", b""))) for _ in range(choices.byte() % 3)]
        return SerfState(clocks[0], ltimes, left, clocks[1], clocks[2], tuple(past))

    # What must be true.

    def drain(self) -> None:
        """Take all that the member puts out, and look at it."""
        while (event := self.serf.next_event()) is not None:
            repr(event)
            self.told.add(type(event))
            if isinstance(event, QueryReceived):
                self.asked.append(event)
            elif isinstance(event, KeyringChanging):
                self.changes.append(event)
        for datagram in self.serf.datagrams_to_send(self.now):
            self.sent.append(datagram)
            self.learn(emission.check_datagram(datagram.data, keyring=self.serf.keyring, label=self.label))
        for request in self.serf.streams_to_open(self.now):
            emission.check_stream(request.data, keyring=self.serf.keyring, label=self.label)
            self.requests.append(request)

    def learn(self, messages: Sequence[emission.Emitted]) -> None:
        """Peers know the numbers of all that the member has asked."""
        for one in messages:
            if one.kind == emission.PING:
                self.pings.append(one.fields["SeqNo"])
            elif one.kind == emission.USER:
                with contextlib.suppress(WireError):
                    message = decode_serf(one.payload)
                    if isinstance(message, Query) and message.source == "me" and message.id not in self.ids:
                        self.ids.append(message.id)

    def check(self) -> None:
        own = self.serf.members()["me"]
        assert own.address == OWN and own.incarnation <= MAX_INCARNATION
        if self.serf.phase is not Phase.LEFT:  # Who has lost its name leaves without a word, even to itself.
            assert (own.state is MemberState.ALIVE) == (self.serf.phase in (Phase.RUNNING, Phase.ANNOUNCING))


STEPS: Sequence[Callable[[Story, Choices], None]] = (
    Story.junk,
    Story.from_outside,
    Story.packet,
    Story.packet,
    Story.serf_packet,
    Story.serf_packet,
    Story.reflected,
    Story.stream,
    Story.push_pull,
    Story.reply,
    Story.wait,
    Story.follow,
    Story.owner,
)


def drive(data: bytes) -> Story:
    """Play the story that the bytes tell."""
    with small_bounds():
        story = Story(data[0] if data else 0)
        for step in steps_of(data):
            with contextlib.suppress(Impossible):
                STEPS[step.kind](story, Choices(step.content))
            story.drain()
            story.check()
        sizes = {path: size for path, size in containers(story.serf) if size > LARGEST_CONTAINER}
        assert not sizes, f"larger than any bound: {sizes}"
    return story


def main() -> None:
    data = bytes.fromhex(sys.argv[1])
    sys.stdout.write(f"pool kind {data[0] if data else 0}\n")
    for step in steps_of(data):
        sys.stdout.write(f"{STEPS[step.kind].__name__:14} {step.content.hex()}\n")


if __name__ == "__main__":
    main()
