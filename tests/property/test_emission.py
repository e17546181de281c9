"""Whatever happens in a pool, what its members send does no harm to a real agent.

Random histories of whole pools, with liars among them; each packet and stream is taken apart by
`tests.support.emission`, which knows the protocol and not our codec. Besides the bytes it looks at what they say:
addresses go on in the very form in which they were announced, and who is asked for a witness tells what it knows.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ceilo_gossip.serf.keys import install_key, use_key
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Alive, Dead, PushPull, RemoteRecord, Suspect
from ceilo_gossip.wire.serf_codec import decode_serf
from ceilo_gossip.wire.serf_messages import ConflictResponse, QueryResponse, TagFilter
from tests.support import emission
from tests.support.gossip_world import PORT, GossipWorld, Host
from tests.support.hostile import HOME, Attacker

KEY = Keyring([bytes(32), bytes(range(16))])
# How an agent that is bound to no address announces itself: IPv4 in 16 bytes.
MAPPED = bytes(10) + b"\xff\xff" + bytes((10, 9, 77, 7))
NAMES = ("h1", "h2", "h3", "h4", "h5")


@dataclass
class Watched:
    """A pool whose every word is looked at."""

    keyring: Keyring | None
    world: GossipWorld = field(default_factory=GossipWorld)
    packets: int = 0
    streams: int = 0
    kinds: set[int] = field(default_factory=set)
    testimonies: int = 0

    def __post_init__(self) -> None:
        self.world.on_sent = self.look
        self.attacker = Attacker(self.world, keyring=self.keyring)
        # Every raw form in which somebody was announced, by anybody.
        self.announced: dict[bytes, set[bytes]] = {}
        for name in NAMES:
            self.announce(name, self.world.address_of(name).raw_host)
            self.world.start(name, join=["h1", "h2"], keyring=self.keyring)
        self.world.run(3)

    def announce(self, name: str, raw_host: bytes) -> None:
        self.announced.setdefault(name.encode(), set()).add(raw_host)

    def look(self, host: Host, data: bytes, is_stream: bool) -> None:
        # A key that was just replaced still opens what was sealed before.
        keyring = None if self.keyring is None else Keyring([*KEY._keys, bytes(24)])
        if is_stream:
            self.streams += 1
            kind, _, records = emission.check_stream(data, keyring=keyring)
            self.kinds.add(kind)
            for record in records:
                assert record["Addr"] in self.announced[record["Name"]], "an address went on in another form"
            return
        self.packets += 1
        for message in emission.check_datagram(data, keyring=keyring):
            self.kinds.add(message.kind)
            self.look_at(host, message)

    def look_at(self, host: Host, message: emission.Emitted) -> None:
        fields = message.fields
        if message.kind == emission.ALIVE:
            assert fields["Addr"] in self.announced[fields["Node"]], "an address went on in another form"
        elif message.kind == emission.INDIRECT_PING:
            assert fields["Target"] in self.announced[fields["Node"]]
        elif message.kind == emission.PING:
            assert fields["SourceAddr"] == host.address.raw_host
        elif message.kind == emission.USER and message.payload[0] == 5:
            response = decode_serf(message.payload)
            assert isinstance(response, QueryResponse)
            if response.payload[:1] == b"\x06":
                self.look_at_testimony(host, response)

    def look_at_testimony(self, host: Host, response: QueryResponse) -> None:
        testimony = decode_serf(response.payload)
        assert isinstance(testimony, ConflictResponse)
        if response.member != host.settings.name:
            return  # Relayed for another.
        self.testimonies += 1
        known = host.members()[testimony.member]
        assert testimony.member != host.settings.name, "nobody is a witness of himself"
        assert (raw_to_host(testimony.raw_host), testimony.port) == (known.address.host, known.address.port)
        assert testimony.raw_host in self.announced[testimony.member.encode()]

    # What may happen.

    def host(self, number: int) -> Host:
        return self.world.hosts[number % len(self.world.hosts)]

    def kill(self, number: int) -> None:
        self.world.kill(self.host(number))

    def restart(self, number: int) -> None:
        name = NAMES[number % len(NAMES)]
        self.world.start(name, join=["h1", "h2", "h3"], keyring=self.keyring)

    def leave(self, number: int) -> None:
        self.act(number, lambda serf, now: serf.leave(now))

    def pause(self, number: int) -> None:
        self.world.pause(self.host(number))
        self.world.run(4)
        self.world.resume(self.host(number))

    def cut(self, number: int) -> None:
        self.world.isolate(self.host(number))

    def heal(self, number: int) -> None:
        self.world.heal()

    def tag(self, number: int) -> None:
        self.act(number, lambda serf, now: serf.set_tags({"role": f"r{number}", "x": "y" * (number % 400)}, now))

    def event(self, number: int) -> None:
        self.act(number, lambda serf, now: serf.send_event(f"e{number}", bytes(number % 400), now))

    def query(self, number: int) -> None:
        filters = (TagFilter("role", "r.*"),) if number % 2 else ()
        request = QueryRequest(f"q{number}", bytes(number % 300), tags=filters, relay_factor=number % 4)
        self.act(number, lambda serf, now: serf.query(request, now))

    def key(self, number: int) -> None:
        make = (install_key, use_key)[number % 2]
        self.act(number, lambda serf, now: serf.query(make(bytes(24)), now))

    def forget(self, number: int) -> None:
        self.act(number, lambda serf, now: serf.force_leave(NAMES[number % 5], now, prune=bool(number & 1)))

    def double(self, number: int) -> None:
        """Another host under a name that is taken."""
        name = NAMES[number % len(NAMES)]
        self.announce(name, self.world.address_of("h9").raw_host)
        self.world.start(name, at="h9", join=["h1", "h2"], keyring=self.keyring)

    def agent(self, number: int) -> None:
        """A member that announces itself in 16 bytes, as agents do that are bound to no address."""
        self.announce("mapped", MAPPED)
        self.attacker.tell(self.host(number), Alive(1 + number % 9, "mapped", MAPPED, PORT, b"", OUR_VERSION))

    def lie(self, number: int) -> None:
        victim = NAMES[number % len(NAMES)]
        self.announce(victim, HOME.raw_host)
        self.attacker.tell(
            self.host(number),
            (Suspect, Dead)[number % 2](number % 7, victim, NAMES[number % 3]),
            Alive(2**32 - 2 - number % 2, victim, HOME.raw_host, HOME.port, bytes(number % 512), OUR_VERSION),
            Dead(2**32 - 2, victim, victim),
        )

    def version(self, number: int) -> None:
        """Members each of which fits us, and which do not fit each other."""
        self.announce("new", HOME.raw_host)
        self.announce("old", HOME.raw_host)
        for name, version in (("new", (1, 5, 5, 5, 5, 5)), ("old", (1, 5, 2, 2, 5, 2)), ("new", (1, 2, 2, 5, 5, 5))):
            self.attacker.tell(self.host(number), Alive(1, name, HOME.raw_host, HOME.port, b"", bytes(version)))

    def table(self, number: int) -> None:
        self.announce("mapped", MAPPED)
        record = RemoteRecord("mapped", MAPPED, PORT, b"", 3, number % 4, OUR_VERSION)
        self.attacker.exchange(self.host(number), PushPull(bool(number & 1), (record,) * (number % 3), b""))

    def act(self, number: int, deed: Callable[[Serf, float], object]) -> None:
        def attempt(serf: Serf) -> None:
            try:
                deed(serf, self.world.now)
            except ValueError:
                return  # It leaves, or too much runs.

        if self.host(number).is_running:
            self.world.act(self.host(number), attempt)


DEEDS: Mapping[str, Callable[[Watched, int], None]] = {
    name: getattr(Watched, name)
    for name in (
        *("kill", "restart", "leave", "pause", "cut", "heal", "tag", "event", "query", "key", "forget"),
        *("double", "agent", "lie", "table", "version"),
    )
}
STEPS = st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(0, 1000)), max_size=12)


# Each example is the life of a pool over a minute and more, which takes half a second.
@settings(max_examples=25)
@given(is_encrypted=st.booleans(), steps=STEPS)
def test_what_members_send_in_any_history_harms_no_agent(is_encrypted: bool, steps: list[tuple[str, int]]) -> None:
    watched = Watched(KEY if is_encrypted else None)
    for name, number in steps:
        DEEDS[name](watched, number)
        watched.world.run(0.3 + number % 7)
    watched.world.run(20)
    assert watched.packets > 50


@functools.cache
def everything() -> Watched:
    """Every deed, one after the other, so that nothing is left to chance."""
    watched = Watched(None)
    for number in range(3):
        for name in sorted(DEEDS):
            DEEDS[name](watched, 37 * number + len(name))
            watched.world.run(3)
    watched.world.heal()
    watched.world.run(40)
    return watched


def test_rules_have_been_applied_to_every_message() -> None:
    kinds = everything().kinds
    claims = {emission.SUSPECT, emission.ALIVE, emission.DEAD}
    questions = {emission.PING, emission.INDIRECT_PING, emission.ACK, emission.NACK}
    assert kinds >= claims | questions | {emission.PUSH_PULL, emission.USER}


def test_rules_have_been_applied_to_testimonies() -> None:
    watched = Watched(None)
    watched.double(1)
    watched.world.run(20)
    assert watched.testimonies > 0


def test_member_in_sixteen_bytes_is_dialled_and_told_of_as_it_came() -> None:
    watched = Watched(None)
    watched.agent(0)
    watched.world.run(30)
    member = watched.world.hosts[1].members()["mapped"]
    assert member.address == Address("10.9.77.7", PORT)
