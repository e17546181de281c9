"""Rounds of asking, asking through others, and being asked."""

import pytest

from ceilo_gossip.swim import prober as probers
from ceilo_gossip.swim.answers import Answer, Answers
from ceilo_gossip.swim.events import MemberFailed, MemberSuspected
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.codec import decode_from_stream, encode_for_stream
from ceilo_gossip.wire.messages import Ack, Alive, Dead, IndirectPing, Nack, Ping, Suspect
from tests.support.swim_member import OWN, LoneSwim, address_of, alive


def test_each_member_is_probed_once_in_a_pass() -> None:
    lone = LoneSwim()
    names = [f"p{n}" for n in range(2, 9)]
    lone.meet(*names)
    lone.answers = set(names)
    lone.run(20)
    for _ in range(3):
        pings = [message.member for message, _ in lone.run(7) if isinstance(message, Ping)]
        assert len(pings) == 7
    counted = [message.member for message, _ in lone.run(70) if isinstance(message, Ping)]
    assert {name: counted.count(name) for name in names} == pytest.approx(dict.fromkeys(names, 10), abs=1)


def test_member_that_answers_is_never_suspected_and_the_round_trip_is_kept() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.answers = {"p2"}
    lone.run(10)
    answer = lone.answer("p2")
    assert lone.state("p2") is MemberState.ALIVE
    assert answer is not None and answer.round_trip == 0.0 and lone.now - answer.asked_at <= 1.0


def start_round(lone: LoneSwim, target: str) -> Ping:
    """Let time pass until `target` has been asked."""
    for _ in range(2000):
        for message, _ in lone.run(0.01):
            if isinstance(message, Ping) and message.member == target:
                return message
    raise AssertionError(f"{target} has not been asked")


def test_silent_member_is_asked_through_others_and_over_a_stream() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4", "p5", "p6")
    lone.answers = {"p3", "p4", "p5", "p6"}
    ping = start_round(lone, "p2")
    asked = [(message, where) for message, where in lone.run(0.52) if isinstance(message, IndirectPing)]
    assert len(asked) == 3 and len({where for _, where in asked}) == 3
    for request, where in asked:
        assert request.seq_no == ping.seq_no and request.member == "p2" and request.wants_nack
        assert request.reply_to == OWN and where != address_of("p2")
    stream = lone.swim.streams_to_open(lone.now)
    assert [request.destination for request in stream] == [address_of("p2")]
    assert decode_from_stream(stream[0].data) == ping


@pytest.mark.parametrize("answer", ["relay", "late ack", "stream"])
def test_any_answer_until_the_deadline_saves_the_member(answer: str) -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    ping = start_round(lone, "p2")
    lone.run(0.6)
    assert lone.answer("p2") is None
    if answer == "stream":
        reply = encode_for_stream(Ack(ping.seq_no))
        lone.swim.receive_stream_reply(lone.swim.streams_to_open(lone.now)[0].id, reply, lone.now)
    else:
        lone.hear(Ack(ping.seq_no), "p3" if answer == "relay" else "p2")
    lone.run(0.39)
    assert lone.state("p2") is MemberState.ALIVE
    # Through a relay it is alive, but we ourselves have no round trip with it.
    assert (lone.answer("p2") is None) is (answer == "relay")
    assert lone.swim.counters["probes_answered_through_others"] == (answer == "relay")
    assert lone.swim.counters["probes_answered_over_stream_only"] == (answer == "stream")


def test_member_that_nobody_reaches_is_suspected_and_then_dead() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    start_round(lone, "p2")
    lone.run(1.05)
    lone.run(60)
    told = [event for event in lone.events() if isinstance(event, MemberSuspected | MemberFailed)]
    assert [type(event) for event in told] == [MemberSuspected, MemberFailed]
    assert isinstance(told[0], MemberSuspected) and told[0].accuser == "me"
    # Alone with its doubt, without confirmation: the longest wait, 6 times 4 s.
    assert told[1].at - told[0].at == pytest.approx(24.0)


def test_failed_probe_says_nothing_of_a_member_that_has_spoken_since() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    start_round(lone, "p2")
    lone.hear(alive("p2", 2), "p3")
    lone.run(1.05)
    assert lone.state("p2") is MemberState.ALIVE and lone.swim.counters["probes_failed"] == 1


def test_failed_probe_of_an_address_says_nothing_of_another() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    start_round(lone, "p2")
    lone.hear(Dead(1, "p2", "p2"), "p3")
    lone.hear(alive("p2", 1, address=Address("10.0.0.77", 7946)), "p3")
    lone.run(1.05)
    assert lone.state("p2") is MemberState.ALIVE and lone.swim.counters["probes_failed"] == 1


def test_more_questions_than_are_kept_harm_nothing() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    start_round(lone, "p2")
    for _ in range(probers.MAX_PINGS):
        assert lone.swim.probe("p3", lone.now)
    lone.run(1.05)
    assert lone.state("p2") is MemberState.SUSPECT


def test_each_new_answer_is_told_once() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.answers = {"p2"}
    lone.run(5.0)
    asked_at = lone.answer("p2")
    assert asked_at is not None and lone.swim.table.answers.take_untold() == {"p2": asked_at.asked_at}
    assert lone.swim.table.answers.take_untold() == {}
    lone.run(3.0)
    assert set(lone.swim.table.answers.take_untold()) == {"p2"}


def test_answer_to_an_older_question_takes_nothing_back() -> None:
    answers = Answers()
    answers.keep("p2", 5.0, 0.25)
    assert answers.take_untold() == {"p2": 5.0}
    answers.keep("p2", 4.0, 0.5)
    answers.keep("p2", 5.0, None)
    assert answers.get("p2") == Answer(5.0, 0.5) and answers.take_untold() == {}


def test_answers_of_those_that_nobody_knows_any_more_are_forgotten() -> None:
    answers = Answers()
    answers.keep("p2", 5.0, 0.25)
    answers.keep("p3", 5.0, 0.25)
    answers.forget_all_but({"p3"})
    assert answers.get("p2") is None and answers.take_untold() == {"p3": 5.0}


def test_suspect_hears_of_the_suspicion_with_the_ping() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p3", "p4"}
    lone.hear(Suspect(1, "p2", "p3"))
    lone.sent()
    for _ in range(1000):
        lone.now += 0.01
        lone.swim.handle_timer(lone.now)
        messages = [message for message, where in lone.sent() if where == address_of("p2")]
        if any(isinstance(message, Ping) for message in messages):
            assert Suspect(1, "p2", "me") in messages
            return
    raise AssertionError("p2 has not been asked")


def failed_probe(*, nacks: int, doubted: int = 0, before: int = 0) -> int:
    """Our health score after a probe for which three relays were asked; so many nack, and so many are doubted then."""
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4", "p5")
    lone.answers = {"p3", "p4", "p5"}
    ping = start_round(lone, "p2")
    lone.run(0.6)
    lone.swim._awareness.apply(before)
    for relay in ("p3", "p4", "p5")[:nacks]:
        lone.hear(Nack(ping.seq_no), relay)
    for relay in ("p5", "p4", "p3")[:doubted]:
        lone.hear(Suspect(1, relay, "p9"))
    lone.answers = set()
    lone.run(0.4)
    assert lone.state("p2") is MemberState.SUSPECT and lone.swim.counters["nacks"] == nacks
    return lone.swim.awareness


def test_nacks_clear_us_and_their_lack_makes_us_distrust_ourselves() -> None:
    assert failed_probe(nacks=0) == 3
    assert failed_probe(nacks=0, doubted=1) == 2
    assert failed_probe(nacks=0, doubted=3) == 0, "who is doubted himself is no witness against us"


def test_one_nack_proves_that_we_are_heard_and_all_of_them_say_as_much_as_an_ack() -> None:
    assert failed_probe(nacks=1, before=4) == 4
    assert failed_probe(nacks=3, before=4) == 3
    assert failed_probe(nacks=1, doubted=2, before=4) == 3


def test_extra_probe_asks_at_once_and_has_no_consequence() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.answers = {"p2", "p3"}
    lone.run(5.0)
    lone.sent()
    assert lone.swim.probe("p2", lone.now) and not lone.swim.probe("nobody", lone.now)
    assert not lone.swim.probe("me", lone.now)
    (ping, where), *_ = lone.sent()
    assert isinstance(ping, Ping) and where == address_of("p2")
    asked_at = lone.now
    lone.now += 0.1
    lone.hear(Ack(ping.seq_no), "p2")
    answer = lone.answer("p2")
    assert answer is not None and answer.asked_at == asked_at and answer.round_trip == pytest.approx(0.1)


def test_ack_that_nobody_waits_for_proves_nothing() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(Ack(12345), "p2")
    assert lone.answer("p2") is None


def test_ping_for_another_name_is_not_answered() -> None:
    lone = LoneSwim()
    lone.hear(Ping(5, "somebody else"), "p2")
    assert lone.sent() == [] and lone.swim.counters["pings_for_others"] == 1


def test_pause_of_our_own_process_kills_nobody() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.answers = {"p2", "p3", "p4"}
    lone.run(10)
    lone.hear(Suspect(1, "p2", "p3"))
    lone.hear(Suspect(1, "p2", "p4"))
    lone.events()
    lone.now += 300
    lone.swim.handle_timer(lone.now)
    assert lone.events() == [] and lone.swim.counters["stalls"] == 1 and lone.swim.awareness == 1
    lone.hear(Alive(2, "p2", address_of("p2").raw_host, 7946, b"\xff\x80", bytes((1, 5, 2, 2, 5, 5))))
    lone.run(60)
    assert lone.state("p2") is MemberState.ALIVE


def test_one_who_has_left_still_answers_but_asks_no_more() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.swim.leave(lone.now)
    assert not any(isinstance(message, Ping) for message, _ in lone.run(5))
    lone.hear(Ping(1, "me"), "p2")
    assert (Ack(1), address_of("p2")) in lone.sent()
