"""What somebody on the network who does not have the key can do to an encrypted pool: waste its bytes.

The rows of `doc/source/hostile-peers.rst`, one test for each.
"""

import functools

import pytest

from ceilo_gossip.serf.events import MemberFailed, MemberLeft, MemberSuspected, QueryReceived, UserEventReceived
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import encode, encode_for_stream
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Dead, IndirectPing, Message, Ping, PushPull, Suspect, UserMessage
from ceilo_gossip.wire.packet import compress, pack_datagram
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import LeaveIntent, UserEvent
from ceilo_gossip.wire.stream import pack_stream
from tests.support.gossip_world import GossipWorld, Host
from tests.support.hostile import KEY, Attacker, Wiretap, alive_of, invented

OTHER_KEY = Keyring([bytes(32)])


def pool(count: int = 4) -> tuple[GossipWorld, list[Host], Wiretap]:
    """Hosts that have known each other for a while, and all that they said."""
    world, tap = GossipWorld(), Wiretap()
    world.on_sent = tap
    hosts = world.start_pool(count, keyring=KEY)
    world.run(20)
    for host in hosts:
        host.events.clear()
    return world, hosts, tap


def beliefs(host: Host) -> dict[str, tuple[MemberState, int]]:
    return {name: (member.state, member.incarnation) for name, member in host.members().items()}


def claims(victim: Host) -> list[bytes]:
    """Packets that would do harm if they were believed."""
    messages: list[Message] = [
        Ping(1, victim.settings.name),
        Suspect(1, "h2", "h3"),
        Dead(1, "h2", "h2"),
        alive_of(victim, 9),
        *invented(3),
        UserMessage(encode_serf(UserEvent(5, "deploy", b"now"))),
        UserMessage(encode_serf(LeaveIntent(5, "h2"))),
    ]
    parts = [encode(message) for message in messages]
    return [*parts, pack_datagram(parts), pack_datagram(parts, with_crc=True), compress(pack_datagram(parts))]


def test_packets_without_the_key_or_with_another_change_nothing_and_are_not_answered() -> None:
    world, hosts, tap = pool()
    attacker, victim = Attacker(world), hosts[0]
    before, told = beliefs(victim), len(tap.packets)
    for data in claims(victim):
        for packet in (data, OTHER_KEY.seal(data), b"\x00" + data, b"\x01" * len(data), b""):
            for source in (attacker.home, hosts[1].address):
                attacker.send(victim, packet, source=source)
    assert beliefs(victim) == before and victim.events == [] and len(tap.packets) == told
    world.run(5)
    assert attacker.heard == []
    assert victim.serf.counters["datagrams_refused_DecryptError"] >= len(claims(victim)) * 8


@pytest.mark.parametrize("is_compressed", [False, True])
def test_streams_without_the_key_or_with_another_are_not_answered(is_compressed: bool) -> None:
    world, hosts, _ = pool()
    attacker, victim = Attacker(world), hosts[0]
    before = beliefs(victim)
    for message in (Ping(1, "h1"), PushPull(True, (), b""), UserMessage(encode_serf(UserEvent(5, "deploy", b"now")))):
        plain = encode_for_stream(message)
        plain = compress(plain) if is_compressed else plain
        for data in (plain, pack_stream(plain, keyring=OTHER_KEY), pack_stream(plain, keyring=OTHER_KEY, label=b"x")):
            assert attacker.stream(victim, data) == b""
    assert beliefs(victim) == before and victim.events == []


def test_packets_that_are_sent_again_draw_nothing_to_who_sends_them_and_change_no_belief() -> None:
    world, hosts, tap = pool()
    world.act(hosts[1], lambda serf: serf.set_tags({"role": "x"}, world.now))
    world.act(hosts[2], lambda serf: serf.send_event("deploy", b"now", world.now))
    world.act(hosts[3], lambda serf: serf.query(QueryRequest("up"), world.now))
    world.run(20)
    before = [beliefs(host) for host in hosts]
    heard = [len([e for e in host.events if isinstance(e, UserEventReceived | QueryReceived)]) for host in hosts]
    attacker = Attacker(world)
    for _, data in list(tap.packets):
        for host in hosts:
            attacker.send(host, data)
    world.run(20)
    assert [beliefs(host) for host in hosts] == before
    assert heard == [len([e for e in h.events if isinstance(e, UserEventReceived | QueryReceived)]) for h in hosts]
    assert not any(isinstance(event, MemberSuspected) for host in hosts for event in host.events)
    assert attacker.heard == [], "answers to pings go to the member that asked, not to who sent its ping again"


def test_accusation_that_is_sent_again_after_it_was_refuted_is_old() -> None:
    world, hosts, tap = pool()
    world.pause(hosts[3])
    world.run_until(lambda: hosts[0].sees("h4") is MemberState.SUSPECT, within=10)
    world.resume(hosts[3])
    world.run(10)
    assert hosts[0].sees("h4") is MemberState.ALIVE
    attacker = Attacker(world)
    for host in hosts[:3]:
        host.events.clear()
        for _, data in list(tap.packets):
            attacker.send(host, data)
        assert not any(isinstance(event, MemberSuspected | MemberFailed) for event in host.events)


def test_good_bye_of_an_earlier_life_sent_again_is_denied_within_seconds() -> None:
    """The one thing that can be had this way: the pool forgot the numbers that say which word is the newer."""
    world, hosts, tap = pool()
    taken = len(tap.packets)
    world.act(hosts[3], lambda serf: serf.leave(world.now))
    world.run(10)
    world.kill(hosts[3])
    good_byes = [data for _, data in tap.packets[taken:]]
    world.run(120)  # The others forget the member, and with it its incarnation.
    world.start("h4", join=["h1", "h2"], keyring=KEY)
    world.run(5)
    for host in hosts[:3]:
        host.events.clear()
    attacker = Attacker(world)
    for data in good_byes:
        attacker.send(hosts[0], data)
    assert any(isinstance(event, MemberLeft) for event in hosts[0].events), "nothing was shown"
    world.run_until(lambda: hosts[0].sees("h4") is MemberState.ALIVE, within=3)
    world.run(5)
    assert not any(isinstance(event, MemberFailed) for host in hosts[:3] for event in host.events)
    assert all(host.sees("h4") is MemberState.ALIVE for host in hosts[:3])


def test_push_pull_that_is_sent_again_is_answered_with_what_only_members_can_read_and_changes_nothing() -> None:
    world, hosts, tap = pool()
    requests = [data for name, data in tap.streams if name == "h4"]
    assert requests
    before = beliefs(hosts[0])
    for data in requests:
        reply = Attacker(world).stream(hosts[0], data)
        # Over TCP, so to its own address; and no longer than a table of as many members.
        assert reply == b"" or (reply[0] == 10 and len(reply) < 4096)
    assert beliefs(hosts[0]) == before
    world.run(10)
    assert beliefs(hosts[0]) == before


def test_question_that_is_sent_again_to_a_member_that_began_anew_is_not_heard() -> None:
    world, hosts, tap = pool()
    taken = len(tap.packets)
    world.act(hosts[1], lambda serf: serf.query(QueryRequest("fence"), world.now))
    world.run(10)
    questions = [data for _, data in tap.packets[taken:]]
    world.kill(hosts[0])
    world.run(1)
    again = world.start("h1", join=["h2", "h3"], keyring=KEY)
    world.run(10)
    for data in questions:
        Attacker(world).send(again, data)
    assert not any(isinstance(event, QueryReceived) for event in again.events)


def test_key_that_is_out_of_use_makes_worthless_what_was_taken_down() -> None:
    world, hosts, tap = pool()
    new = Keyring([bytes(range(1, 33))])
    for host in hosts:
        host.serf._swim.use_keyring(new)
    refused = hosts[0].serf.counters["datagrams_refused_DecryptError"]
    for _, data in list(tap.packets):
        Attacker(world).send(hosts[0], data)
    assert hosts[0].serf.counters["datagrams_refused_DecryptError"] == refused + len(tap.packets)


def test_in_a_plain_pool_a_ping_with_a_false_sender_draws_no_more_than_it_weighs() -> None:
    """Without encryption anybody is a member, but not a gun: the answer is small, and goes to the forged host only."""
    world = GossipWorld()
    received: list[bytes] = []
    hosts = world.start_pool(3)
    world.run(20)
    target = Address("192.0.2.7", 53)
    world.outsiders[target] = lambda data, source: received.append(data)
    attacker = Attacker(world)
    for number in range(20):
        # A broadcast waits to be sent with whatever goes out.
        world.act(hosts[0], functools.partial(Serf.set_tags, tags={"n": str(number)}, now=world.now))
        ping = encode(Ping(number, "h1"))
        attacker.send(hosts[0], ping, source=target)
    request = IndirectPing(1, bytes((192, 0, 2, 7)), 53, "h2", True, bytes((192, 0, 2, 7)), 53, "h3")
    attacker.send(hosts[0], encode(request))
    world.run(3)
    assert len(received) == 20, "one answer to each ping, and no ping on behalf of others to a stranger"
    # The answer carries our coordinate; nothing else rides along.
    assert all(len(data) <= 200 for data in received)
