"""What a peer that holds the pool's key can do with it, and what it cannot.

The rows of `doc/source/hostile-peers.rst`, one test for each. It is a member as far as the protocol goes: what it says
is read. What it says of others is refuted by them; what nobody could refute is not believed.
"""

import functools

import pytest

from ceilo_gossip.serf.events import (
    MemberFailed,
    MemberLeft,
    NameConflict,
    NameLost,
    QueryAnswered,
    QueryReceived,
    UserEventReceived,
)
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_INCARNATION, MAX_LTIME, OUR_VERSION
from ceilo_gossip.wire.codec import encode
from ceilo_gossip.wire.messages import Ack, Alive, Dead, Message, Ping, PushPull, RemoteRecord, Suspect
from ceilo_gossip.wire.packet import unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import (
    RESPONSE_IS_ACK,
    ConflictResponse,
    JoinIntent,
    LeaveIntent,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    SerfState,
    UserEvent,
)
from tests.support.gossip_world import GossipWorld, Host
from tests.support.hostile import HOME, KEY, Attacker, alive_of

LIES = 30  # seconds for which an attacker goes on
NOT_FAILED = (MemberState.ALIVE, MemberState.SUSPECT)


def pool(count: int = 5) -> tuple[GossipWorld, list[Host], Attacker]:
    world = GossipWorld()
    hosts = world.start_pool(count, keyring=KEY)
    world.run(20)
    for host in hosts:
        host.events.clear()
    return world, hosts, Attacker(world, keyring=KEY)


def everybody_lives(hosts: list[Host]) -> bool:
    return all(one.sees(other.settings.name) is MemberState.ALIVE for one in hosts for other in hosts)


def lost(hosts: list[Host], name: str) -> list[object]:
    """The events that told somebody that the member was gone."""
    kinds = (MemberFailed, MemberLeft)
    return [event for host in hosts for event in host.events if isinstance(event, kinds) and event.name == name]


# Claims about others.


@pytest.mark.parametrize("kind", [Suspect, Dead])
def test_burst_of_accusations_by_many_names_fails_nobody(kind: type[Suspect] | type[Dead]) -> None:
    world, hosts, attacker = pool()
    for _ in range(LIES):
        for host in hosts:
            for victim in hosts:
                incarnation = host.members()[victim.settings.name].incarnation
                accusers = [f"accuser-{n}" for n in range(6)]
                attacker.tell(host, *(kind(incarnation, victim.settings.name, accuser) for accuser in accusers))
        world.run(1)
    assert not any(lost(hosts, victim.settings.name) for victim in hosts)
    world.run(20)
    assert everybody_lives(hosts)


def test_good_bye_in_anothers_name_is_denied_within_seconds() -> None:
    world, hosts, attacker = pool()
    for host in hosts:
        if host is not hosts[4]:
            attacker.tell(host, Dead(9, "h5", "h5"))
    assert hosts[0].sees("h5") is MemberState.LEFT, "a good-bye is believed at once, as in memberlist"
    world.run_until(lambda: everybody_lives(hosts), within=3)
    assert not any(isinstance(event, MemberFailed) for event in lost(hosts, "h5"))


@pytest.mark.parametrize("claim", ["suspect", "dead", "good-bye", "alive"])
def test_claim_that_its_victim_could_never_outdo_fails_nobody_who_answers(claim: str) -> None:
    world, hosts, attacker = pool()
    claims: dict[str, Message] = {
        "suspect": Suspect(MAX_INCARNATION, "h5", "h4"),
        "dead": Dead(MAX_INCARNATION, "h5", "h4"),
        "good-bye": Dead(MAX_INCARNATION, "h5", "h5"),
        "alive": alive_of(hosts[4], MAX_INCARNATION, meta=b"\xff\x81\xa4role\xa4none"),
    }
    for _ in range(LIES):
        for host in hosts:
            attacker.tell(host, claims[claim], *(Suspect(MAX_INCARNATION, "h5", f"accuser-{n}") for n in range(5)))
        world.run(1)
        assert all(host.sees("h5") in NOT_FAILED for host in hosts)
    world.run(60)
    assert everybody_lives(hosts) and not lost(hosts, "h5")
    assert sum(host.serf.counters["irrefutable_claims"] for host in hosts) > LIES


def test_death_after_a_claim_that_cannot_be_outdone_is_found_all_the_same() -> None:
    world, hosts, attacker = pool()
    for host in hosts:
        attacker.tell(host, Suspect(MAX_INCARNATION, "h5", "h4"))
    world.run(60)
    assert everybody_lives(hosts)
    world.kill(hosts[4])
    # Nobody's word counts any more, so each finds it out in a round of its own.
    world.run_until(lambda: all(host.sees("h5") is MemberState.DEAD for host in hosts[:4]), within=120)


def test_member_that_was_claimed_to_the_last_number_can_still_leave() -> None:
    world, hosts, attacker = pool()
    for host in hosts:
        attacker.tell(host, Suspect(MAX_INCARNATION, "h5", "h4"))
    world.run(30)
    world.act(hosts[4], lambda serf: serf.leave(world.now))
    world.run(10)
    world.kill(hosts[4])
    world.run_until(lambda: all(host.sees("h5") is MemberState.LEFT for host in hosts[:4]), within=120)
    assert not any(isinstance(event, MemberFailed) for host in hosts for event in host.events)


def test_name_of_another_at_another_address_is_not_taken_and_its_owner_is_told() -> None:
    world, hosts, attacker = pool()
    for host in hosts:
        attacker.tell(host, alive_of(hosts[4], MAX_INCARNATION, address=HOME))
    world.run(10)
    assert all(host.members()["h5"].address == hosts[4].address for host in hosts)
    assert [event for event in hosts[4].events if isinstance(event, NameConflict)]
    assert not any(isinstance(event, NameLost) for event in hosts[4].events), "the honest ones know it"
    assert everybody_lives(hosts)


def test_announcement_in_anothers_name_is_taken_back_by_its_owner() -> None:
    world, hosts, attacker = pool()
    for host in hosts[:4]:
        attacker.tell(host, alive_of(hosts[4], 9, meta=b"\xff\x81\xabmaintenance\xa3yes"))
    assert dict(hosts[0].members()["h5"].tags) == {"maintenance": "yes"}, "believed until its owner hears of it"
    world.run_until(lambda: all(not host.members()["h5"].tags for host in hosts), within=3)


@pytest.mark.parametrize(
    "version", [b"", b"\x01\x05\x02", bytes(6), b"\x05\x01\x02\x02\x05\x05", b"\x01\x05\x02\x00\x00\x00"]
)
def test_version_that_kills_or_poisons_agents_is_neither_kept_nor_spread(version: bytes) -> None:
    world, hosts, attacker = pool()
    good = encode(Alive(1, "poison", HOME.raw_host, HOME.port, b"", OUR_VERSION))
    poison = good.replace(b"\xa3Vsn\xa6" + OUR_VERSION, b"\xa3Vsn" + bytes((0xA0 + len(version),)) + version)
    assert poison != good
    emitted: list[bytes] = []
    world.on_sent = lambda host, data, is_stream: emitted.append(data)
    attacker.send(hosts[0], KEY.seal(poison))
    world.run(40)
    assert "poison" not in hosts[0].members()
    assert emitted and not any(b"poison" in _opened(data) for data in emitted)


def _opened(data: bytes) -> bytes:
    return KEY.open(data[5:], data[:5]) if data[0] == 10 else KEY.open(data)


# Lamport times and intents.


def late(ltime: int) -> list[SerfMessage]:
    """A message of each kind from the end of time."""
    return [
        JoinIntent(ltime, "h5"),
        LeaveIntent(ltime, "h5"),
        UserEvent(ltime, "late", b""),
        Query(ltime, 7, HOME.raw_host, HOME.port, "h4", (), 0, 0, 10**9, "late", b""),
    ]


@pytest.mark.parametrize("way", ["packet", "push/pull"])
def test_message_from_the_end_of_time_does_not_end_it(way: str) -> None:
    world, hosts, attacker = pool()
    for ltime in (MAX_LTIME, MAX_LTIME - 1, 2**62):
        for host in hosts:
            if way == "packet":
                attacker.tell_serf(host, *late(ltime))
            else:
                state = SerfState(ltime, {"h5": ltime}, ("h5",), ltime, ltime)
                attacker.exchange(host, PushPull(True, (), encode_serf(state)))
    world.run(5)
    if way == "packet":
        assert all(host.serf.counters["ltime_leaps"] >= 12 for host in hosts)
    for number in range(300):  # More than are remembered of one Lamport time.
        event = functools.partial(Serf.send_event, name=f"e{number}", payload=b"", now=world.now)
        world.act(hosts[number % 4], event)
        world.run(0.2)
    number = hosts[0].serf.query(QueryRequest("up"), world.now)
    world.act(hosts[0], lambda serf: None)
    world.run(10)
    heard = {event.name for event in hosts[4].events if isinstance(event, UserEventReceived)}
    assert heard == {f"e{number}" for number in range(300)}
    assert all(any(isinstance(e, QueryReceived) and e.id == number for e in host.events) for host in hosts)
    world.kill(hosts[4])
    world.run(60)
    assert hosts[0].sees("h5") is MemberState.DEAD, "the forged leave intents do not hide a death"


def test_leave_intent_in_anothers_name_hides_no_death() -> None:
    world, hosts, attacker = pool()
    for host in hosts:
        attacker.tell_serf(host, LeaveIntent(1000, "h5"))
    world.run(5)
    world.kill(hosts[4])
    world.run(60)
    assert all(host.sees("h5") is MemberState.DEAD for host in hosts[:4])


def test_leave_intent_that_its_victim_cannot_hear_hides_its_death() -> None:
    """Honest: who can lie and also cut the victim off decides how its silence is read. So can Serf's force-leave."""
    world, hosts, attacker = pool()
    world.kill(hosts[4])
    world.run(1)
    for host in hosts[:4]:
        attacker.tell_serf(host, LeaveIntent(1000, "h5"))
    world.run(60)
    assert all(host.sees("h5") is MemberState.LEFT for host in hosts[:4])


# Floods.


def test_flood_of_events_and_queries_is_bounded_and_costs_nobody_its_membership() -> None:
    world, hosts, attacker = pool()
    for second in range(20):
        for host in hosts:
            base = host.serf._query_clock.time
            events = [UserEvent(second + 1, f"e{second}-{n}", bytes(200)) for n in range(60)]
            queries = [
                Query(base, 1000 * second + n, HOME.raw_host, HOME.port, "h4", (), 1, 255, 10**9, "q", bytes(100))
                for n in range(60)
            ]
            for number in range(60):
                attacker.tell_serf(host, events[number])
                attacker.tell_serf(host, queries[number])
        world.run(1)
    assert all(max(host.serf._swim.queue_lengths) <= 4096 for host in hosts)
    assert not any(lost(hosts, victim.settings.name) for victim in hosts)
    world.act(hosts[0], lambda serf: serf.send_event("honest", b"", world.now))
    # Broadcasts of one kind wait for each other, and a push/pull tells what a queue had to drop.
    world.run_until(
        lambda: all(
            any(isinstance(e, UserEventReceived) and e.name == "honest" for e in host.events) for host in hosts
        ),
        within=120,
    )
    assert everybody_lives(hosts)


def test_acks_to_queries_go_where_the_query_says_and_are_as_small_and_few() -> None:
    """Honest: a query draws one packet of 100 bytes from each member to any address, and 16 relayed copies at most."""
    world, hosts, attacker = pool()
    asked = Query(5, 7, HOME.raw_host, HOME.port, "h4", (), 1, 255, 10**9, "_serf_ping", b"")
    attacker.tell_serf(hosts[0], asked)
    world.run(5)
    assert len(attacker.heard) == len(hosts) and all(len(data) < 200 for data, _ in attacker.heard)


def test_relay_to_a_stranger_is_refused_and_to_a_member_is_one_packet_of_the_same_size() -> None:
    world, hosts, attacker = pool()
    sent: list[bytes] = []
    world.on_sent = lambda host, data, is_stream: sent.append(data)
    inner = encode_serf(QueryResponse(5, 1, "h3", 1, bytes(500)))
    attacker.tell_serf(hosts[0], Relay(HOME, "", inner))
    assert sent == [] and hosts[0].serf.counters["relays_to_strangers"] == 1
    attacker.tell_serf(hosts[0], Relay(hosts[1].address, "", inner))
    assert len(sent) == 1 and len(sent[0]) < len(inner) + 100


# Answers in others' names.


def test_ack_to_a_guessed_number_hides_no_death() -> None:
    """With numbers in a row, as memberlist has them, a member that sees one can answer for a dead one for ever."""
    world, hosts, attacker = pool()
    numbers: dict[Address, int] = {}

    def listen(data: bytes, source: Address) -> None:
        """Live as a member, and keep the number of each prober's last ping."""
        for message in unpack_datagram(data, keyring=KEY).messages:
            for host in hosts:
                if isinstance(message, Ping) and host.address == source:
                    numbers[source] = message.seq_no
                    attacker.tell(host, Ack(message.seq_no))

    world.outsiders[HOME] = listen
    for host in hosts:
        attacker.tell(host, Alive(1, "evil", HOME.raw_host, HOME.port, b"\xff\x80", OUR_VERSION))
    world.run(20)
    assert len(numbers) == len(hosts)
    world.kill(hosts[4])
    for _ in range(240):
        world.run(0.25)
        for host in hosts[:4]:
            guesses = [Ack((numbers[host.address] + n) % 2**32) for n in range(1, 60)]
            attacker.tell(host, *guesses, source=hosts[4].address)
        if all(host.sees("h5") is MemberState.DEAD for host in hosts[:4]):
            return
    raise AssertionError("the death was hidden")


def test_answer_to_a_query_in_anothers_name_counts() -> None:
    """Honest: who holds the key answers in any name, and the first answer of a name counts. So an answer over gossip is
    worth what the key is worth, and nothing that may not be forged may rest on it alone."""
    world, hosts, attacker = pool()
    attacker.tell(hosts[0], Alive(1, "evil", HOME.raw_host, HOME.port, b"\xff\x80", OUR_VERSION))
    world.pause(hosts[4])
    number = hosts[0].serf.query(QueryRequest("certain?"), world.now)
    world.act(hosts[0], lambda serf: None)
    world.run(1)
    asked = [one for one in attacker.understood_serf() if isinstance(one, Query) and one.id == number]
    assert asked, "gossip tells every member the number"
    attacker.tell_serf(hosts[0], QueryResponse(asked[0].ltime, number, "h5", RESPONSE_IS_ACK, b""))
    attacker.tell_serf(hosts[0], QueryResponse(asked[0].ltime, number, "h5", 0, b"yes"))
    answers = [event for event in hosts[0].events if isinstance(event, QueryAnswered) and event.member == "h5"]
    assert [event.payload for event in answers] == [b"yes"]


def test_answer_to_a_guessed_query_does_not_count() -> None:
    world, hosts, attacker = pool()
    number = hosts[0].serf.query(QueryRequest("certain?"), world.now)
    for guess in range(200):
        attacker.tell_serf(
            hosts[0], *(QueryResponse(lt, (number + 1 + guess) % 2**31, "h5", 0, b"yes") for lt in (1, 2))
        )
    assert not any(isinstance(event, QueryAnswered) for event in hosts[0].events)
    assert hosts[0].serf.counters["query_responses_unexpected"] == 400


def test_lies_in_a_dispute_about_a_name_are_told_to_its_owner_and_end_nobody() -> None:
    """Honest: the liar can outvote the pool, so that the owner is told that its name is lost. It stays a member."""
    world, hosts, attacker = pool()
    attacker.tell(hosts[0], Alive(1, "evil", HOME.raw_host, HOME.port, b"\xff\x80", OUR_VERSION))
    attacker.tell(hosts[4], alive_of(hosts[4], 9, address=HOME))
    lie = encode_serf(ConflictResponse("h5", HOME.raw_host, HOME.port, {}, 1, (1, 5, 2), (2, 5, 5)))
    told: set[int] = set()
    for _ in range(100):
        world.run(0.1)
        for one in attacker.understood_serf():
            if isinstance(one, Query) and one.name == "_serf_conflict" and one.id not in told:
                told.add(one.id)
                for number in range(20):
                    attacker.tell_serf(hosts[4], QueryResponse(one.ltime, one.id, f"liar-{number}", 0, lie))
    assert told and any(isinstance(event, NameLost) for event in hosts[4].events)
    world.run(30)
    assert everybody_lives(hosts)


# Push/pull.


def test_table_of_lies_is_weighed_like_any_claim() -> None:
    world, hosts, attacker = pool()
    lies = tuple(
        RemoteRecord(
            one.settings.name,
            one.address.raw_host,
            one.address.port,
            b"\xff\x80",
            MAX_INCARNATION - 5,
            state,
            OUR_VERSION,
        )
        for one in hosts
        for state in (1, 2, 3)
    )
    for host in hosts:
        assert attacker.exchange(host, PushPull(True, lies, b"")) is not None, "the key lets it read the table"
    world.run_until(lambda: everybody_lives(hosts), within=10)
    assert not any(isinstance(event, MemberFailed) for host in hosts for event in host.events)


def test_everything_that_a_member_says_to_one_with_the_key_can_be_read() -> None:
    """Honest: the key is also the right to read tags, events, queries and answers."""
    _, hosts, attacker = pool()
    answer = attacker.exchange(hosts[0], PushPull(True, (), b""))
    assert answer is not None and {record.member for record in answer.records} == {f"h{n}" for n in range(1, 6)}
    assert isinstance(decode_serf(answer.user_state), SerfState)
