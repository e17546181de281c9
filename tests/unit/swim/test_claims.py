"""What is believed of a claim."""

from dataclasses import replace

import pytest

from ceilo_gossip.swim.events import (
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
)
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_INCARNATION, OUR_VERSION
from ceilo_gossip.wire.codec import encode_for_stream
from ceilo_gossip.wire.messages import Alive, Dead, PushPull, RemoteRecord, Suspect
from tests.support.swim_member import BELIEVED_AFTER, LoneSwim, address_of, alive

S = MemberState


def broadcast(lone: LoneSwim) -> list[object]:
    """What the member says of itself or others next."""
    return [message for message, _ in lone.run(0.5) if isinstance(message, Alive | Suspect | Dead)]


def test_unknown_member_that_lives_has_joined() -> None:
    lone = LoneSwim()
    lone.hear(alive("p2"))
    assert lone.state("p2") is S.ALIVE
    assert lone.events() == [MemberJoined("p2", 1000.0)]


def test_member_of_incarnation_0_is_nobody() -> None:
    lone = LoneSwim()
    lone.hear(alive("p2", 0))
    assert lone.state("p2") is None
    lone.meet("p3")
    lone.hear(Dead(1, "p3", "p3"))
    lone.hear(alive("p3", 0, address=Address("10.0.0.33", 7946)))
    assert lone.state("p3") is S.LEFT, "agents would never show who takes over a name like that"


def test_news_is_spread_and_old_news_is_not() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.run(10)
    lone.hear(alive("p2", 1))
    assert alive("p2") not in broadcast(lone)
    lone.hear(alive("p2", 2))
    assert alive("p2", 2) in broadcast(lone)


def test_other_meta_needs_a_higher_incarnation() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(alive("p2", 1, meta=b"new"))
    assert lone.events() == []
    lone.hear(alive("p2", 2, meta=b"new"))
    assert lone.events() == [MemberUpdated("p2", 1000.0)]


def test_suspect_that_says_it_lives_is_alive_again() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.hear(Suspect(1, "p2", "p3"))
    assert lone.state("p2") is S.SUSPECT
    lone.hear(alive("p2", 1))
    assert lone.state("p2") is S.SUSPECT, "only a higher incarnation refutes"
    lone.hear(alive("p2", 2))
    assert lone.state("p2") is S.ALIVE
    assert lone.events() == [MemberSuspected("p2", 1000.0, "p3"), MemberRefuted("p2", 1000.0)]
    record = lone.swim.table.get("p2")
    assert record is not None and record.suspected_at is None and not lone.is_suspicion_running("p2")


def test_suspicion_of_an_older_incarnation_is_ignored() -> None:
    lone = LoneSwim()
    lone.hear(alive("p2", 5))
    lone.hear(Suspect(4, "p2", "p3"))
    lone.hear(Dead(4, "p2", "p3"))
    assert lone.state("p2") is S.ALIVE


def test_death_of_a_doubted_member_is_believed_and_undone_only_by_a_higher_incarnation() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.hear(Suspect(1, "p2", "p3"))
    lone.run(2.0)
    lone.events()
    lone.hear(Dead(1, "p2", "p3"))
    assert lone.state("p2") is S.DEAD
    assert [type(event) for event in lone.events()] == [MemberFailed]
    lone.hear(alive("p2", 1))
    assert lone.state("p2") is S.DEAD
    lone.hear(alive("p2", 2))
    assert lone.state("p2") is S.ALIVE and lone.events() == [MemberJoined("p2", 1002.0)]


def test_death_of_a_member_nobody_doubted_here_is_only_an_accusation() -> None:
    """What a member says that comes back from a partition, where it gave everybody up."""
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.hear(Suspect(1, "p2", "p4"))
    for _ in range(3):
        lone.hear(Dead(1, "p2", "p4"))
        lone.hear(Dead(1, "p3", "p4"))
    assert lone.state("p2") is S.SUSPECT and lone.state("p3") is S.SUSPECT
    assert {type(event) for event in lone.events()} == {MemberSuspected}
    for name in ("p2", "p3"):
        lone.hear(alive(name, 2))
        assert lone.state(name) is S.ALIVE


def test_member_that_says_good_bye_has_left() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(Dead(1, "p2", "p2"))
    assert lone.state("p2") is S.LEFT and lone.events() == [MemberLeft("p2", 1000.0)]
    lone.hear(Dead(1, "p2", "p3"))
    lone.hear(Suspect(1, "p2", "p3"))
    assert lone.state("p2") is S.LEFT


def test_accusation_of_ourselves_is_refuted_with_a_higher_incarnation() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.run(5)
    lone.hear(Suspect(7, "me", "p2"))
    assert lone.state("me") is S.ALIVE and lone.incarnation("me") == 8
    assert alive("me", 8) in broadcast(lone)
    lone.hear(Suspect(7, "me", "p3"))
    assert lone.incarnation("me") == 8, "what is refuted already is not refuted again"
    lone.hear(Dead(8, "me", "p3"))
    assert lone.state("me") is S.ALIVE and lone.incarnation("me") == 9


def test_being_accused_makes_us_distrust_ourselves() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(Suspect(1, "me", "p2"))
    assert lone.swim.awareness == 1


@pytest.mark.parametrize("accuser", ["p2", "me"])
def test_member_that_is_back_with_too_low_an_incarnation_is_told_its_last_word(accuser: str) -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    if accuser == "p2":
        lone.hear(Dead(1, "p2", "p2"))
    else:
        lone.bury("p2", "p3")
    lone.run(10)
    told = (Dead(1, "p2", accuser), address_of("p2"))
    lone.hear(alive("p2", 1), "p3")
    assert told in lone.sent()
    lone.hear(alive("p2", 1), "p3")
    assert told not in lone.sent(), "once in a gossip interval is enough"
    lone.now += 0.3
    lone.hear(alive("p2", 1), "p3")
    assert told in lone.sent()
    lone.now += 0.3
    lone.hear(alive("p2", 2), "p3")
    assert lone.state("p2") is S.ALIVE
    assert told not in lone.sent()


def test_claim_that_a_dead_member_lives_elsewhere_is_not_answered() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3")
    lone.bury("p2", "p3")
    lone.run(10)
    lone.hear(alive("p2", 1, address=address_of("p7")), "p3")
    assert lone.state("p2") is S.DEAD and lone.sent() == []


def test_old_claim_about_a_living_member_or_ourselves_is_not_answered() -> None:
    lone = LoneSwim()
    lone.answers.add("p2")
    lone.hear(alive("p2", 2))
    lone.run(10)
    lone.swim.leave(lone.now)
    lone.run(10)
    assert lone.state("p2") is S.ALIVE
    lone.hear(alive("p2", 1))
    lone.hear(alive("me", 1))
    assert lone.sent() == []


def test_old_record_of_ourselves_from_before_a_restart_is_outdone() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(alive("me", 12, meta=b"old tags"))
    assert lone.incarnation("me") == 13 and lone.swim.table.own.meta == b"\xff\x80"


def test_accusation_at_the_end_of_numbers_does_no_harm() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(Suspect(MAX_INCARNATION, "me", "p2"))
    assert lone.state("me") is S.ALIVE and lone.swim.counters["irrefutable_claims"] == 1


def test_after_leaving_nothing_is_refuted() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.swim.leave(lone.now)
    assert lone.state("me") is S.LEFT
    for claim in (Suspect(3, "me", "p2"), Dead(3, "me", "p2"), alive("me", 3)):
        lone.hear(claim)
    assert lone.state("me") is S.LEFT and lone.incarnation("me") == 1


def test_name_is_not_taken_over_by_another_address() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(alive("p2", 9, address=Address("10.0.0.77", 7946)))
    record = lone.swim.table.get("p2")
    assert record is not None and record.address == address_of("p2") and record.incarnation == 1
    lone.bury("p2", by="p3")
    lone.hear(alive("p2", 9, address=Address("10.0.0.77", 7946)))
    assert lone.state("p2") is S.DEAD, "the dead keep their address for a while"
    assert lone.swim.counters["address_conflicts"] == 2


def test_name_of_one_who_has_been_dead_for_long_is_free() -> None:
    """A host that is set up anew, or has another card, with another address."""
    for reclaim_after, is_free in ((30.0, True), (100.0, False), (0.0, False)):
        lone = LoneSwim(replace(SwimSettings.lan(), reclaim_after=reclaim_after))
        lone.meet("p2", "p3", "p4")
        lone.answers = {"p3", "p4"}
        lone.swim._prober.stop()  # or it would be forgotten after a pass
        lone.hear(alive("p2", 7))
        lone.hear(Suspect(7, "p2", "p3"))
        lone.now += BELIEVED_AFTER
        lone.hear(Dead(7, "p2", "p3"))
        elsewhere = alive("p2", 1, address=Address("10.0.0.77", 7946))
        lone.now += 29.0
        lone.hear(elsewhere)
        assert lone.state("p2") is S.DEAD
        lone.now += 2.0
        lone.events()
        lone.hear(elsewhere)
        record = lone.swim.table.get("p2")
        assert record is not None and (record.state is S.ALIVE) == is_free
        if is_free:
            assert record.address.host == "10.0.0.77" and record.incarnation == 1
            assert lone.events() == [MemberJoined("p2", lone.now)]


def test_old_death_accuses_the_new_owner_of_a_name_who_outdoes_it() -> None:
    """A push/pull with somebody who has not heard of the new owner yet."""
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4")
    lone.hear(Dead(9, "p2", "p2"))
    lone.hear(alive("p2", 1, address=Address("10.0.0.77", 7946)))
    old = RemoteRecord("p2", address_of("p2").raw_host, 7946, b"", 9, 2, OUR_VERSION)
    lone.swim.receive_stream(encode_for_stream(PushPull(False, (old,), b"")), address_of("p3"), lone.now)
    assert lone.state("p2") is S.SUSPECT
    lone.hear(alive("p2", 10, address=Address("10.0.0.77", 7946)))
    assert lone.state("p2") is S.ALIVE


def test_name_of_one_who_left_is_free_at_once() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    lone.hear(Dead(1, "p2", "p2"))
    lone.hear(alive("p2", 1, address=Address("10.0.0.77", 7946)))
    record = lone.swim.table.get("p2")
    assert record is not None and record.state is S.ALIVE and record.address.host == "10.0.0.77"


def test_our_name_at_another_address_changes_nothing() -> None:
    lone = LoneSwim()
    lone.hear(alive("me", 9, address=Address("10.0.0.77", 7946)))
    assert lone.incarnation("me") == 1 and lone.swim.counters["address_conflicts"] == 1


def test_other_raw_form_of_an_address_is_another_address_as_for_agents() -> None:
    lone = LoneSwim()
    lone.meet("p2")
    mapped = replace(alive("p2", 2), raw_host=bytes(10) + b"\xff\xff" + address_of("p2").raw_host)
    lone.hear(mapped)
    assert lone.incarnation("p2") == 1


@pytest.mark.parametrize("version", [bytes((1, 5, 2, 0, 0, 0)), bytes((3, 5, 3, 2, 5, 5))])
def test_member_that_would_poison_the_pool_is_never_stored(version: bytes) -> None:
    lone = LoneSwim()
    lone.hear(replace(alive("p2"), version=version))
    assert lone.state("p2") is None and lone.swim.counters["incompatible_versions"] == 1


def test_confirmations_are_spread_only_while_they_count() -> None:
    lone = LoneSwim()
    lone.meet("p2", "p3", "p4", "p5", "p6")
    lone.answers = {"p2", "p3", "p4", "p5", "p6"}
    lone.run(30)
    lone.hear(Suspect(1, "p2", "p3"))
    lone.hear(Suspect(1, "p2", "p4"))
    lone.hear(Suspect(1, "p2", "p5"))
    lone.hear(Suspect(1, "p2", "p6"))
    accusers = {message.accuser for message in broadcast(lone) if isinstance(message, Suspect)}
    assert accusers == {"p3", "p4", "p5"}
