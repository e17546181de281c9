"""Two hosts of one name: the pool keeps the first, a healthy one never loses, and no witness says a wrong word."""

import itertools

import pytest

from ceilo_gossip.serf.conflict import DELAY, INTERVAL, LOST_FOR
from ceilo_gossip.serf.events import LeaveFinished, MemberFailed, MemberLeft, NameConflict, NameLost
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.messages import Alive, Dead, Suspect
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import ConflictResponse, JoinIntent, LeaveIntent, Query, QueryResponse, SerfMessage
from tests.support.gossip_world import GossipWorld, Host
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import OWN, address_of, alive

ELSEWHERE = Address("10.0.0.77", 7946)


# As a witness.


def disputed(name: bytes, *, asker: Address = ASKER, number: int = 1) -> Query:
    return Query(5, number, asker.raw_host, asker.port, "p5", (), 0, 0, 10**9, "_serf_conflict", name)


def word_of(lone: LoneSerf, name: str | bytes, *, asker: Address = ASKER, number: int = 1) -> SerfMessage | None:
    lone.sent()
    lone.hear_serf(disputed(name if isinstance(name, bytes) else name.encode(), asker=asker, number=number))
    said = [(message, to) for message, to in lone.sent() if isinstance(message, QueryResponse)]
    if not said:
        return None
    ((response, to),) = said
    assert isinstance(response, QueryResponse) and to == asker and response.flags == 0
    return decode_serf(response.payload)


def test_witness_says_whom_it_knows_as_that_one_announced_itself() -> None:
    lone = LoneSerf()
    mapped = b"\x00" * 10 + b"\xff\xff" + bytes((10, 0, 0, 60))
    version = bytes((1, 5, 2, 2, 5, 4))
    lone.hear(Alive(3, "p6", mapped, 7000, b"\xff\x81\xa4role\xa2db", version))
    said = word_of(lone, "p6")
    assert said == ConflictResponse("p6", mapped, 7000, {"role": "db"}, 1, (1, 5, 2), (2, 5, 4))
    lone.hear_serf(LeaveIntent(7, "p6"))
    said = word_of(lone, "p6", number=2)
    assert isinstance(said, ConflictResponse) and said.status == 2, "it is leaving"
    lone.hear(Suspect(3, "p6", "p2"))
    said = word_of(lone, "p6", number=3)
    assert isinstance(said, ConflictResponse) and said.raw_host == mapped, "a doubt frees no name"


@pytest.mark.parametrize("name", ["me", "nobody", b"", b"\xff\xfe", "p6" * 400])
def test_witness_says_nothing_about_itself_and_about_whom_it_does_not_know(name: str | bytes) -> None:
    lone = LoneSerf()
    assert word_of(lone, name) is None


def test_witness_says_nothing_of_a_name_whose_owner_has_left() -> None:
    lone = LoneSerf()
    lone.hear(Dead(1, "p2", "p2"))
    assert word_of(lone, "p2") is None
    moved = alive("p2", 2, address=ELSEWHERE)
    lone.hear(moved)
    said = word_of(lone, "p2", number=2)
    assert isinstance(said, ConflictResponse) and said.raw_host == ELSEWHERE.raw_host, "the name was free to take"


def test_death_is_no_evidence_except_for_the_one_that_asks_and_so_lives() -> None:
    lone = LoneSerf()
    lone.bury("p2", by="p3")
    assert lone.state("p2") is MemberState.DEAD
    assert word_of(lone, "p2", asker=ELSEWHERE) is None
    said = word_of(lone, "p2", asker=address_of("p2"), number=2)
    assert isinstance(said, ConflictResponse) and said.raw_host == address_of("p2").raw_host


def test_witness_goes_on_with_the_first_address_whatever_another_claims() -> None:
    lone = LoneSerf()
    lone.hear(alive("p2", 40, address=ELSEWHERE))
    assert lone.serf.counters["address_conflicts"] == 1
    said = word_of(lone, "p2", asker=ELSEWHERE)
    assert isinstance(said, ConflictResponse) and said.raw_host == address_of("p2").raw_host


def test_witness_does_not_answer_from_what_only_serf_remembers() -> None:
    lone = LoneSerf()
    lone.bury("p2", by="p3")
    for _ in range(200):
        lone.now += 1
        lone.serf.handle_timer(lone.now)
        lone.serf.datagrams_to_send(lone.now)
        if lone.now > 1100:
            break
    assert lone.state("p2") is MemberState.DEAD, "listed as failed for a day"
    assert word_of(lone, "p2", asker=address_of("p2")) is None


# As a party.


def claimed(lone: LoneSerf, *, incarnation: int = 1, address: Address = ELSEWHERE) -> None:
    lone.hear(Alive(incarnation, "me", address.raw_host, address.port, b"\xff\x80", OUR_VERSION))


def vote(lone: LoneSerf) -> Query:
    """The question that is asked of all after a conflict."""
    lone.now += DELAY
    queries = [message for message, _ in lone.told() if isinstance(message, Query)]
    return max(queries, key=lambda query: query.ltime)


def answer(lone: LoneSerf, query: Query, member: str, address: Address, name: str = "me") -> None:
    response = ConflictResponse(name, address.raw_host, address.port, {}, 1, (1, 5, 2), (2, 5, 5))
    lone.hear_serf(QueryResponse(query.ltime, query.id, member, 0, encode_serf(response)))


def outcome(lone: LoneSerf) -> list[type]:
    lone.now += 4
    lone.serf.handle_timer(lone.now)
    return [type(event) for event in lone.events()]


@pytest.mark.parametrize("incarnation", [1, 0, 99])
def test_conflict_is_told_and_everybody_is_asked(incarnation: int) -> None:
    lone = LoneSerf()
    claimed(lone, incarnation=incarnation)
    assert lone.events() == [NameConflict(ELSEWHERE, lone.now)]
    query = vote(lone)
    assert (query.name, query.payload, query.flags, query.filters) == ("_serf_conflict", b"me", 0, ())
    assert query.reply_to == OWN


@pytest.mark.parametrize(
    ("for_us", "for_others", "is_lost"),
    [
        (3, 0, False),
        (2, 1, False),
        (1, 2, True),
        (0, 3, True),
        (0, 1, True),
        (1, 1, False),
        (0, 0, False),
        (2, 2, False),
    ],
)
def test_majority_of_the_answers_decides_and_without_one_nothing_is_lost(
    for_us: int, for_others: int, is_lost: bool
) -> None:
    lone = LoneSerf()
    claimed(lone)
    query = vote(lone)
    lone.events()
    for number in range(for_us):
        answer(lone, query, f"friend-{number}", OWN)
    for number in range(for_others):
        answer(lone, query, f"other-{number}", ELSEWHERE)
    assert outcome(lone) == ([NameLost] if is_lost else []), "and the owner sees nothing else of the vote"


def test_same_host_in_the_other_raw_form_or_at_another_port_is_told_apart() -> None:
    lone = LoneSerf()
    claimed(lone)
    query = vote(lone)
    lone.events()
    mapped = b"\x00" * 10 + b"\xff\xff" + OWN.raw_host
    response = ConflictResponse("me", mapped, OWN.port, {}, 1, (1, 5, 2), (2, 5, 5))
    lone.hear_serf(QueryResponse(query.ltime, query.id, "p2", 0, encode_serf(response)))
    answer(lone, query, "p3", Address(OWN.host, OWN.port + 1))
    assert outcome(lone) == [], "one each"


def test_answers_that_say_nothing_about_us_do_not_count() -> None:
    lone = LoneSerf()
    claimed(lone)
    query = vote(lone)
    lone.events()
    # Serf answers with nil when it does not know the name.
    for member, payload in (("p2", b"\x06\xc0"), ("p3", b""), ("p4", encode_serf(JoinIntent(1, "me")))):
        lone.hear_serf(QueryResponse(query.ltime, query.id, member, 0, payload))
    answer(lone, query, "p5", ELSEWHERE, name="somebody")
    assert outcome(lone) == [] and lone.serf.counters["conflict_answers_refused"] == 4


def test_old_form_of_our_own_address_is_no_other_host() -> None:
    lone = LoneSerf()
    mapped = b"\x00" * 10 + b"\xff\xff" + OWN.raw_host
    lone.hear(Alive(3, "me", mapped, OWN.port, b"\xff\x80", OUR_VERSION))
    assert lone.events() == [] and lone.serf.counters["address_conflicts"] == 1


def test_conflict_is_told_and_voted_on_once_a_minute_at_most() -> None:
    lone = LoneSerf()
    began = lone.now
    told, votes, incarnation = [], set(), 1
    while lone.now < began + 3 * INTERVAL:
        incarnation += 1
        lone.hear(alive("p2", incarnation))  # somebody has to live on, or there is nobody to ask
        claimed(lone)
        votes |= {message.id for message, _ in lone.told() if isinstance(message, Query)}
        told += [event for event in lone.events() if isinstance(event, NameConflict)]
    assert len(told) == 3 and len(votes) == 3
    assert [later.at - earlier.at for earlier, later in itertools.pairwise(told)] == pytest.approx(
        [INTERVAL] * 2, abs=0.3
    )


def lose(lone: LoneSerf) -> None:
    claimed(lone)
    query = vote(lone)
    answer(lone, query, "p2", ELSEWHERE)
    assert NameLost in outcome(lone)


def test_member_that_has_lost_its_name_leaves_without_a_word() -> None:
    lone = LoneSerf()
    lose(lone)
    lone.told()
    lone.serf.leave(lone.now)
    assert lone.events() == [LeaveFinished("me", lone.now)] and lone.serf.get_timer() is None
    assert lone.serf.datagrams_to_send(lone.now) == []


def test_name_that_nobody_claims_any_more_is_ours_again() -> None:
    lone = LoneSerf()
    lose(lone)
    lone.now += LOST_FOR
    lone.serf.leave(lone.now)
    assert lone.events() == []
    assert any(isinstance(message, LeaveIntent) for message, _ in lone.told())


def test_vote_won_later_gives_the_name_back() -> None:
    lone = LoneSerf()
    lose(lone)
    lone.now += INTERVAL
    claimed(lone)
    answer(lone, vote(lone), "p2", OWN)
    assert NameLost not in outcome(lone)
    lone.serf.leave(lone.now)
    assert any(isinstance(message, LeaveIntent) for message, _ in lone.told())


# A pool.


def told(host: Host) -> list[type]:
    return [type(event) for event in host.events if isinstance(event, NameConflict | NameLost)]


@pytest.mark.parametrize("through", ["h2", "h4"])
def test_second_host_of_a_name_loses_it_and_the_first_is_never_in_doubt(through: str) -> None:
    world = GossipWorld(seed=11)
    hosts = world.start_pool(5)
    world.run_until(lambda: all(len(host.members()) == 5 for host in hosts), within=30)
    for number in range(600):
        # A long-lived pool: queries of a newcomer's clock are too old for it.
        world.act(hosts[number % 5], lambda serf: serf._query_clock.increment())
    world.run(60)
    newcomer = world.start("h9", join=[through])
    second = world.start("h4", at="h8", join=[through])
    world.run(120)
    assert newcomer.sees("h4") is MemberState.ALIVE
    assert told(second)[:2] == [NameConflict, NameLost]
    assert NameLost not in told(hosts[3])
    for host in (*hosts, newcomer):
        assert host.members()["h4"].address == world.address_of("h4")
        assert not host.told(MemberFailed, "h4") and not host.told(MemberLeft, "h4")
    world.act(second, lambda serf: serf.leave(world.now))
    world.run(30)
    assert all(not host.told(MemberLeft, "h4") for host in hosts), "its leave is nobody else's"
