"""Being asked: answers go to who asks, and pings for others only to members."""

import pytest

from ceilo_gossip.swim import relays
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.messages import Ack, IndirectPing, Message, Nack, Ping, UserMessage
from tests.support.swim_member import OWN, LoneSwim, address_of

ASKER = address_of("p5")
ELSEWHERE = Address("192.0.2.66", 53)


def asked_by(name: str, seq_no: int, *, reply_to: Address | None = None) -> Ping:
    return Ping(seq_no, "me", reply_to.raw_host if reply_to else b"", reply_to.port if reply_to else 0, name)


def test_ping_is_answered_where_it_came_from_unless_it_says_otherwise() -> None:
    lone = LoneSwim()
    lone.hear(Ping(6, "me"), "p2")
    lone.hear(Ping(7, ""), "p2")
    assert lone.sent() == [(Ack(6), address_of("p2")), (Ack(7), address_of("p2"))]


def test_member_may_ask_from_another_of_its_addresses_than_it_announces() -> None:
    lone = LoneSwim()
    lone.meet("p7")
    lone.hear(asked_by("p7", 5, reply_to=address_of("p7")), "p2")
    assert lone.sent() == [(Ack(5), address_of("p7"))]


def test_other_port_of_the_asking_host_is_answered() -> None:
    lone = LoneSwim()
    lone.hear(asked_by("p2", 5, reply_to=Address("10.0.0.2", 1234)), "p2")
    assert lone.sent() == [(Ack(5), Address("10.0.0.2", 1234))]


@pytest.mark.parametrize("claimed", ["p7", "nobody", ""])
def test_answer_never_goes_to_a_third_host_that_is_not_the_askers_home(claimed: str) -> None:
    lone = LoneSwim()
    lone.meet("p7")
    lone.hear(asked_by(claimed, 5, reply_to=ELSEWHERE), "p2")
    assert lone.sent() == [(Ack(5), address_of("p2"))]


def test_stranger_gets_an_answer_and_no_gossip_with_it() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.swim.broadcast_user_message(b"x" * 500, queue=0)
    lone.hear(Ping(5, "me", source="p9"), "p9")
    assert lone.sent() == [(Ack(5), address_of("p9"))]
    lone.hear(Ping(6, "me", source="p2"), "p2")
    assert lone.sent() == [(Ack(6), address_of("p2")), (UserMessage(b"x" * 500), address_of("p2"))]


def ask_through(lone: LoneSwim, seq_no: int = 77, *, wants_nack: bool = True) -> Ping:
    lone.hear(request_for("p2", seq_no, wants_nack=wants_nack), "p5")
    ((ping, where),) = lone.sent()
    assert isinstance(ping, Ping) and ping.seq_no != seq_no and ping.member == "p2" and ping.reply_to == OWN
    assert where == address_of("p2")
    return ping


def request_for(
    name: str, seq_no: int = 77, *, target: Address | None = None, port: int | None = None, wants_nack: bool = True
) -> IndirectPing:
    where = target or address_of(name)
    return IndirectPing(
        seq_no,
        where.raw_host,
        where.port if port is None else port,
        name,
        wants_nack,
        ASKER.raw_host,
        ASKER.port,
        "p5",
    )


def knowing(*names: str) -> LoneSwim:
    """A core that has met these and has nothing to gossip any more."""
    lone = LoneSwim()
    lone.meet(*names)
    lone.swim._outbox.drop_broadcasts()
    lone.swim._prober.stop()
    return lone


def test_relayed_ack_goes_back_with_the_askers_number() -> None:
    lone = knowing("p2", "p5")
    ping = ask_through(lone)
    lone.hear(Ack(ping.seq_no), "p2")
    assert lone.sent() == [(Ack(77), ASKER)]
    assert lone.run(1.0) == []
    assert lone.swim.counters["acks_relayed"] == 1 and lone.swim.counters["nacks_sent"] == 0


def test_relay_nacks_at_80_percent_of_the_timeout_and_still_passes_a_late_ack_on() -> None:
    lone = knowing("p2", "p5")
    ping = ask_through(lone)
    assert lone.run(0.399) == []
    assert lone.run(0.002) == [(Nack(77), ASKER)]
    assert lone.swim.counters["nacks_sent"] == 1
    lone.hear(Ack(ping.seq_no), "p2")
    assert lone.sent() == [(Ack(77), ASKER)]


def test_relay_that_was_not_asked_for_a_nack_keeps_silent() -> None:
    lone = knowing("p2", "p5")
    ping = ask_through(lone, wants_nack=False)
    assert lone.run(1.0) == []
    lone.hear(Ack(ping.seq_no), "p2")
    assert lone.sent() == [], "the asker has given up long ago"


def test_port_of_the_pool_is_meant_when_none_is_given() -> None:
    lone = knowing("p2", "p5")
    lone.hear(request_for("p2", port=0), "p5")
    assert [where for _, where in lone.sent()] == [address_of("p2")]


@pytest.mark.parametrize(
    "request_",
    [
        request_for("p3"),
        request_for("p2", target=ELSEWHERE),
        request_for("p2", port=53),
        request_for("me", target=OWN),
        request_for("me", target=ELSEWHERE),
    ],
)
def test_nobody_is_asked_but_a_member_at_its_own_address(request_: IndirectPing) -> None:
    lone = knowing("p2", "p5")
    lone.hear(request_, "p5")
    assert lone.sent() == [] and lone.swim.counters["pings_to_strangers"] == 1
    assert lone.run(1.0) == [(Nack(77), ASKER)], "the asker is told that we live and hear him"


def test_one_who_is_thought_dead_is_asked_when_somebody_doubts_it() -> None:
    lone = knowing("p2", "p5")
    lone.bury("p2", by="p5")
    lone.swim._outbox.drop_broadcasts()
    lone.sent()
    ask_through(lone)


def test_relays_end_one_after_the_other_and_leave_nothing_behind() -> None:
    lone = knowing("p2", "p5")
    for number in range(20):
        lone.hear(request_for("p2", number), "p5")
        lone.run(0.05)
    lone.run(1.0)
    assert lone.swim._prober.next_deadline == float("inf"), "nothing is left to wait for"


def test_relays_are_bounded() -> None:
    lone = knowing("p2", "p5")
    for seq_no in range(relays.MAX_RELAYS + 10):
        lone.hear(request_for("p2", seq_no), "p5")
    assert len(lone.sent()) == relays.MAX_RELAYS and lone.swim.counters["relays_over_limit"] == 10
    lone.run(1.0)
    ask_through(lone)


def test_users_go_first_in_each_fourth_packet_however_much_members_have_to_say() -> None:
    lone = LoneSwim()
    lone.meet(*(f"p{number}" for number in range(2, 200)))
    lone.swim.broadcast_user_message(b"q" * 1000, queue=1)
    packets = []
    for number in range(8):
        lone.hear(Ping(number, "me", source="p2"), "p2")
        packets.append(UserMessage(b"q" * 1000) in [message for message, _ in lone.sent()])
    assert packets.count(True) == 2


def test_one_kind_of_user_messages_does_not_keep_another_from_being_sent() -> None:
    lone = LoneSwim()
    lone.meet(*(f"p{number}" for number in range(2, 200)))
    for number in range(500):
        lone.swim.broadcast_user_message(b"i%03d" % number + bytes(200), queue=0)
    for queue in (1, 2):
        lone.swim.broadcast_user_message(bytes((queue,)) * 1000, queue=queue)
    sent: list[Message] = []
    for number in range(24):
        lone.hear(Ping(number, "me", source="p2"), "p2")
        sent += [message for message, _ in lone.sent()]
    assert [sent.count(UserMessage(bytes((queue,)) * 1000)) for queue in (1, 2)] == [2, 2]
