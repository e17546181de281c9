"""Push/pull, pings over streams, and what goes wrong with them."""

from dataclasses import replace

import pytest

from ceilo_gossip.swim import exchange
from ceilo_gossip.swim.events import ExchangeFinished, MemberJoined, MemberLeft, MemberSuspected
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import decode_from_stream, encode_for_stream
from ceilo_gossip.wire.messages import (
    Ack,
    Alive,
    ErrorMessage,
    IndirectPing,
    Message,
    Ping,
    PushPull,
    RemoteRecord,
    Suspect,
    UserMessage,
)
from ceilo_gossip.wire.stream import unpack_stream
from tests.support.swim_member import OWN, LoneSwim, address_of

S = MemberState


def said(name: str, state: MemberState = S.ALIVE, incarnation: int = 1, meta: bytes = b"\xff\x80") -> RemoteRecord:
    where = OWN if name == "me" else address_of(name)
    return RemoteRecord(name, where.raw_host, where.port, meta, incarnation, int(state), OUR_VERSION)


def show(lone: LoneSwim, *records: RemoteRecord, by: str = "p9", is_join: bool = False) -> PushPull:
    """Another member shows its table, and is shown ours."""
    reply = lone.swim.receive_stream(encode_for_stream(PushPull(is_join, records, b"")), address_of(by), lone.now)
    message = unpack_stream(reply)
    assert isinstance(message, PushPull)
    return message


def states_in(message: PushPull) -> dict[str, MemberState]:
    return {record.member: MemberState(record.state) for record in message.records}


def test_whole_table_is_shown_before_anything_of_the_others_is_believed() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.hear(Suspect(1, "p3", "p2"))
    assert states_in(show(lone, said("p4"), is_join=True)) == {"me": S.ALIVE, "p2": S.ALIVE, "p3": S.SUSPECT}
    assert lone.state("p4") is S.ALIVE, "and then it is"
    assert states_in(show(lone))["p4"] is S.ALIVE


@pytest.mark.parametrize(
    ("claimed", "becomes"), [(S.ALIVE, S.ALIVE), (S.SUSPECT, S.SUSPECT), (S.DEAD, S.SUSPECT), (S.LEFT, S.LEFT)]
)
def test_hearsay_of_a_death_is_a_doubt_of_our_own(claimed: MemberState, becomes: MemberState) -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    show(lone, said("p2", claimed))
    assert lone.state("p2") is becomes
    doubts = [event.accuser for event in lone.events() if isinstance(event, MemberSuspected)]
    assert doubts == (["me"] if becomes is S.SUSPECT else [])


@pytest.mark.parametrize("claimed", [S.SUSPECT, S.DEAD, S.LEFT])
def test_nobody_is_known_by_his_end_alone(claimed: MemberState) -> None:
    lone = LoneSwim()
    show(lone, said("p2", claimed))
    assert lone.state("p2") is None and lone.events() == []


def test_older_record_than_ours_changes_nothing() -> None:
    lone = LoneSwim()
    lone.hear(Alive(5, "p2", address_of("p2").raw_host, 7946, b"new", OUR_VERSION))
    for claimed in MemberState:
        show(lone, said("p2", claimed, incarnation=4, meta=b"old"))
    record = lone.swim.table.get("p2")
    assert record is not None and (record.state, record.meta, record.incarnation) == (S.ALIVE, b"new", 5)


@pytest.mark.parametrize("claimed", [S.SUSPECT, S.DEAD, S.LEFT])
def test_one_that_believes_us_gone_is_told_the_contrary_at_once(claimed: MemberState) -> None:
    lone = LoneSwim()
    lone.meet("p2", "p9")
    show(lone, said("me", claimed, incarnation=7), said("p9"), by="p9")
    assert lone.incarnation("me") == 8
    alive = Alive(8, "me", OWN.raw_host, OWN.port, b"\xff\x80", OUR_VERSION)
    assert (alive, address_of("p9")) in lone.sent()


def test_joiner_announces_itself_to_all_that_it_was_told_of() -> None:
    lone = LoneSwim()
    assert lone.swim.exchange_with(address_of("p2"), lone.now, is_join=True)
    (request,) = lone.swim.streams_to_open(lone.now)
    asked = decode_from_stream(request.data)
    assert isinstance(asked, PushPull) and asked.is_join and states_in(asked) == {"me": S.ALIVE}
    reply = encode_for_stream(PushPull(False, (said("p2"), said("p3")), b""))
    lone.swim.receive_stream_reply(request.id, reply, lone.now)
    assert [type(event) for event in lone.events()] == [MemberJoined, MemberJoined, ExchangeFinished]
    told = {where for message, where in lone.run(1.0) if isinstance(message, Alive) and message.member == "me"}
    assert told == {address_of("p2"), address_of("p3")}


@pytest.mark.parametrize(
    "reply", [None, b"", b"\xff", encode_for_stream(Ack(1)), encode_for_stream(ErrorMessage("no room"))]
)
def test_exchange_without_a_table_in_return_has_failed(reply: bytes | None) -> None:
    lone = LoneSwim()
    lone.swim.exchange_with(address_of("p2"), lone.now, is_join=True)
    (request,) = lone.swim.streams_to_open(lone.now)
    lone.swim.receive_stream_reply(request.id, reply, lone.now)
    assert lone.events() == [ExchangeFinished(address_of("p2"), True, False, lone.now)]
    lone.swim.receive_stream_reply(request.id, reply, lone.now)
    assert lone.events() == [], "it is over once"


def test_exchanges_under_way_are_bounded() -> None:
    lone = LoneSwim()
    for _ in range(exchange.MAX_REQUESTS):
        assert lone.swim.exchange_with(address_of("p2"), lone.now, is_join=False)
    assert not lone.swim.exchange_with(address_of("p2"), lone.now, is_join=False)
    assert lone.swim.counters["streams_over_limit"] == 1
    lone.swim.receive_stream_reply(lone.swim.streams_to_open(lone.now)[0].id, None, lone.now)
    assert lone.swim.exchange_with(address_of("p2"), lone.now, is_join=False)


@pytest.mark.parametrize(("members", "interval"), [(2, 30), (32, 30), (33, 60), (64, 60), (65, 90), (1000, 180)])
def test_push_pulls_get_rarer_as_the_pool_grows(members: int, interval: int) -> None:
    lone = LoneSwim(replace(SwimSettings.lan(), probe_interval=1000.0, push_pull_interval=30.0))
    for number in range(members - 1):
        lone.hear(Alive(1, f"q{number}", bytes((10, 1, number >> 8, number & 255)), 7946, b"", OUR_VERSION))
    lone.swim._outbox.drop_broadcasts()
    lone.run(30)
    opened = [lone.now] * len(lone.swim.streams_to_open(lone.now))
    for _ in range(2 * interval):
        lone.run(1.0)
        opened += [lone.now] * len(lone.swim.streams_to_open(lone.now))
    assert opened[1] - opened[0] == pytest.approx(interval, abs=30 if len(opened) > 2 else 31)
    assert opened[2] - opened[1] == pytest.approx(interval, abs=1)


def test_ping_over_a_stream_is_answered_when_it_is_for_us() -> None:
    lone = LoneSwim()

    def asked(message: Message) -> bytes:
        return lone.swim.receive_stream(encode_for_stream(message), address_of("p2"), lone.now)

    assert decode_from_stream(asked(Ping(5, "me"))) == Ack(5)
    assert decode_from_stream(asked(Ping(6, ""))) == Ack(6)
    assert asked(Ping(7, "p3")) == b""
    assert asked(UserMessage(b"x")) == b"" and len(lone.events()) == 1


def test_stream_answers_only_the_ping_that_it_was_opened_for() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    while not any(isinstance(message, IndirectPing) and message.member == "p2" for message, _ in lone.run(0.05)):
        pass
    request = lone.swim.streams_to_open(lone.now)[-1]
    ping = decode_from_stream(request.data)
    assert isinstance(ping, Ping)
    lone.swim.receive_stream_reply(request.id, encode_for_stream(Ack(ping.seq_no + 1)), lone.now)
    assert lone.answer("p2") is None and lone.swim.counters["probes_answered_over_stream_only"] == 0


def test_one_who_left_is_listed_as_such_until_forgotten() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.answers = {"p3"}
    show(lone, said("p2", S.LEFT))
    assert lone.events() == [MemberLeft("p2", lone.now)]
    assert states_in(show(lone))["p2"] is S.LEFT
    lone.run(40)
    assert "p2" not in states_in(show(lone))
