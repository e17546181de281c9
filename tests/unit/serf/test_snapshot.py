"""What a member remembers over a restart, in Serf's format, and what it does with it."""

from dataclasses import replace

import pytest

from ceilo_gossip.serf import snapshot as snapshots
from ceilo_gossip.serf.events import UserEventReceived
from ceilo_gossip.serf.snapshot import MAX_STORED_LTIME, Snapshot, from_bytes, to_lines
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import encode_for_stream
from ceilo_gossip.wire.messages import PushPull
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import (
    JoinIntent,
    LeaveIntent,
    PastEvents,
    Query,
    QueryResponse,
    SerfState,
    UserEvent,
)
from tests.support.gossip_world import GossipWorld
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import OWN, address_of

# As Debian's agent writes it, with every kind of line that there ever was.
SERFS_OWN = b"""\
alive: me 127.0.0.1:7946
alive: real 2 127.0.0.2:7946
clock: 3
coordinate: {"Vec":[0.0],"Error":1.5,"Adjustment":0,"Height":1e-05}
event-clock: 1
alive: real-3 [fd00::3]:7946
# a comment
not-alive: real-3
query-clock: 4
alive: real-4 127.0.0.4:7946
clock: 7
"""


KNOWN = {"p2": address_of("p2")}


def read(text: bytes) -> tuple[Snapshot, int]:
    return from_bytes(text, own_name="me")


def test_snapshot_of_a_real_agent_is_understood() -> None:
    members = {"real 2": Address("127.0.0.2", 7946), "real-4": Address("127.0.0.4", 7946)}
    assert read(SERFS_OWN) == (Snapshot(members, clock=7, event_clock=1, query_clock=4), 0)


def test_what_is_written_is_read_again() -> None:
    members = {"a host": Address("10.0.0.2", 7946), "six": Address("fd00::6", 1)}
    kept = Snapshot(members, 5, 6, 7)
    text = "\n".join(to_lines(kept)) + "\n"
    assert "alive: six [fd00::6]:1\n" in text
    assert read(text.encode()) == (kept, 0)
    assert read("\n".join(to_lines(replace(kept, has_left=True))).encode()) == (Snapshot(has_left=True), 0)


def test_leave_wipes_what_was_before_and_what_follows_counts() -> None:
    assert read(SERFS_OWN + b"leave\n") == (Snapshot(has_left=True), 0)
    later = read(SERFS_OWN + b"leave\nclock: 9\nalive: new 10.0.0.9:7946\n")
    assert later == (Snapshot({"new": Address("10.0.0.9", 7946)}, clock=9), 0)


@pytest.mark.parametrize(
    "line",
    [
        b"alive: no-address",
        b"alive: 10.0.0.1:7946",
        b"alive: name 10.0.0.1",
        b"alive: name 10.0.0.1:0",
        b"alive: name 10.0.0.1:70000",
        b"alive: name 10.0.0.1:-1",
        b"alive: name host.example:7946",
        b"alive: name 0.0.0.0:7946",
        b"alive: name 224.0.0.1:7946",
        b"alive: " + b"x" * 256 + b" 10.0.0.1:7946",
        b"alive: na\x00me 10.0.0.1:7946",
        b"alive: \xff\xfe 10.0.0.1:7946",
        b"clock: ",
        b"clock: -1",
        b"clock: 1e3",
        b"clock: \xd9\xa1",
        b"clock: 9999999999999999999999",
        b"clock: " + str(MAX_STORED_LTIME + 1).encode(),
        b"clock",
        b"what: 1",
        b"\x00" * 100,
    ],
)
def test_damaged_line_is_skipped_and_counted_and_the_others_count(line: bytes) -> None:
    whole, _ = read(SERFS_OWN)
    assert read(line + b"\n" + SERFS_OWN) == (whole, 1)
    assert read(SERFS_OWN + line) == (whole, 1)


def test_reading_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_MEMBERS", 3)
    lines = b"".join(b"alive: h%d 10.0.0.%d:7946\n" % (number, number) for number in range(1, 9))
    assert list(read(lines)[0].members) == ["h1", "h2", "h3"]
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOT_BYTES", 100)
    with pytest.raises(ValueError, match="longer than 100"):
        read(lines)


def test_a_member_remembers_who_has_not_left_and_its_clocks() -> None:
    member = LoneSerf()
    member.hear_serf(JoinIntent(40, "p2"))
    member.hear_serf(UserEvent(17, "deploy", b""))
    member.hear_serf(Query(23, 1, ASKER.raw_host, ASKER.port, "p5", (), 0, 0, 10**9, "q", b""))
    member.bury("p3", by="p2")
    member.bury("p4", by="p2")
    member.hear_serf(LeaveIntent(41, "p4"))
    known = {name: address_of(name) for name in ("p2", "p3", "p5")}
    assert member.serf.snapshot() == Snapshot(known, clock=41, event_clock=17, query_clock=23)
    member.serf.leave(member.now)
    assert member.serf.snapshot().has_left


def test_restarted_member_is_deaf_to_what_it_was_told_before() -> None:
    member = LoneSerf(options={"snapshot": Snapshot(KNOWN, clock=40, event_clock=17, query_clock=23)})
    member.hear_serf(UserEvent(17, "deploy", b""))
    member.hear_serf(Query(23, 1, ASKER.raw_host, ASKER.port, "p5", (), 1, 0, 10**9, "q", b""))
    assert member.events() == [] and not any(isinstance(message, QueryResponse) for message, _ in member.told())
    member.hear_serf(UserEvent(18, "deploy", b""))
    member.hear_serf(Query(24, 2, ASKER.raw_host, ASKER.port, "p5", (), 1, 0, 10**9, "q", b""))
    assert len(member.events()) == 2
    assert member.serf.send_event("own", b"", member.now) == 19
    member.bury("p2", by="p3")
    member.serf.force_leave("p2", member.now)
    assert any(message == LeaveIntent(41, "p2") for message, _ in member.told())


def test_snapshot_that_knows_nobody_is_none() -> None:
    member = LoneSerf(options={"snapshot": from_bytes(b"", own_name="me")[0]})
    member.serf.join([ASKER], member.now)
    member.serf.handle_timer(member.now)
    (dial,) = member.serf.streams_to_open(member.now)
    past = SerfState(1, {}, (), 9, 1, (PastEvents(8, (("long ago", b""),)),))
    request = encode_for_stream(PushPull(False, (), encode_serf(past)))
    member.serf.receive_stream_reply(dial.id, request, member.now)
    assert not any(isinstance(event, UserEventReceived) for event in member.events())


def restart(world: GossipWorld, remembered: Snapshot, *join: str) -> None:
    world.start("h1", join=join, snapshot=remembered)


def test_host_that_restarts_alone_finds_its_pool_though_all_its_join_addresses_are_dead() -> None:
    world = GossipWorld()
    world.start("h9")
    first = world.start("h1", join=["h9"])
    for name in ("h2", "h3"):
        world.start(name, join=["h9"])
    world.run(10)
    remembered = first.serf.snapshot()
    world.kill(first)
    world.kill(world.hosts[0])
    world.run(120)
    restart(world, remembered, "h9")
    again = world.hosts[1]
    assert again.is_running
    took = world.run_until(lambda: again.sees("h2") is MemberState.ALIVE, within=20)
    assert took < 5
    forgetful = world.start("h4", join=["h9"])
    world.run(60)
    assert forgetful.sees("h2") is None, "without a snapshot nobody finds it"


def test_known_members_are_dialled_after_the_configured_addresses_and_only_until_the_pool_is_found() -> None:
    known = {f"p{number}": address_of(f"p{number}") for number in (6, 7)}
    member = LoneSerf(options={"snapshot": Snapshot(known)})
    member.serf.join([address_of("p8"), OWN], member.now)
    dialled: list[list[Address]] = []
    for _ in range(3):
        member.serf.handle_timer(member.now)
        requests = member.serf.streams_to_open(member.now)
        dialled.append(sorted((request.destination for request in requests), key=str))
        for request in requests:
            member.serf.receive_stream_reply(request.id, None, member.now)
        member.now += 1.0
    everybody = sorted([*known.values(), address_of("p8")], key=str)
    assert dialled[:2] == [[address_of("p8")], everybody]
    member.now += 20
    member.serf.handle_timer(member.now)
    for request in member.serf.streams_to_open(member.now):
        is_found = request.destination == address_of("p8")
        reply = encode_for_stream(PushPull(False, (), b"")) if is_found else None
        member.serf.receive_stream_reply(request.id, reply, member.now)
    assert not member.serf.streams_to_open(member.now)
    for _ in range(20):
        member.now += 10
        member.serf.handle_timer(member.now)
        for request in member.serf.streams_to_open(member.now):
            assert request.destination not in known.values(), "who is not in the pool may have died long ago"
            member.serf.receive_stream_reply(request.id, None, member.now)


def test_known_members_are_dialled_without_any_join_address_too() -> None:
    world = GossipWorld()
    world.start("h2")
    restart(world, Snapshot({"h2": world.address_of("h2"), "h1": world.address_of("h1")}))
    world.run_until(lambda: world.hosts[0].sees("h1") is MemberState.ALIVE, within=3)


def test_one_who_had_left_uses_the_configured_addresses_only() -> None:
    world = GossipWorld()
    world.start("h2")
    world.start("h3")
    restart(world, Snapshot({"h2": world.address_of("h2")}, has_left=True), "h3")
    world.run(60)
    assert world.hosts[2].sees("h3") is MemberState.ALIVE and world.hosts[2].sees("h2") is None


def test_host_that_was_cut_off_and_restarts_still_knows_whom_it_gave_up() -> None:
    world = GossipWorld()
    first, *_ = world.start_pool(3)
    world.run(10)
    world.isolate(first)
    world.run(60)
    assert first.sees("h2") is MemberState.DEAD
    remembered = first.serf.snapshot()
    world.kill(first)
    world.heal()
    restart(world, remembered, "h1")
    world.run_until(lambda: world.hosts[0].sees("h2") is MemberState.ALIVE, within=20)
