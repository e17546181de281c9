"""Whatever is claimed, in whatever order and over whatever time: what must never happen does not."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ceilo_gossip.swim.events import MemberFailed, MemberJoined, MemberLeft, MemberRefuted, MemberSuspected
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_INCARNATION, OUR_VERSION
from ceilo_gossip.wire.codec import encode_for_stream
from ceilo_gossip.wire.messages import Ack, Alive, Dead, IndirectPing, Nack, Ping, PushPull, RemoteRecord, Suspect
from tests.support.swim_member import OWN, LoneSwim, address_of, alive

# Few names and numbers, so that claims meet.
PEERS = ("p2", "p3", "p4")
MEMBERS = st.sampled_from((*PEERS, "me"))
ACCUSERS = st.sampled_from((*PEERS, "me", "p9"))
INCARNATIONS = st.integers(1, 3) | st.integers(0, 6) | st.sampled_from([MAX_INCARNATION - 1, MAX_INCARNATION])
GONE = (MemberState.DEAD, MemberState.LEFT)
ELSEWHERE = Address("10.0.0.200", 7946)
VICTIM = Address("192.0.2.66", 53)  # nobody's home
CLAIMS = st.one_of(
    st.builds(
        lambda name, incarnation, meta, is_moved: alive(
            name, incarnation, meta=meta, address=ELSEWHERE if is_moved else None
        ),
        MEMBERS,
        INCARNATIONS,
        st.sampled_from([b"", b"\xff\x80", b"m"]),
        st.sampled_from([False, False, False, True]),
    ),
    st.builds(Suspect, INCARNATIONS, MEMBERS, ACCUSERS),
    st.builds(Dead, INCARNATIONS, MEMBERS, ACCUSERS),
)


class Claims(RuleBasedStateMachine):
    """One core against arbitrary peers. After each step the table is compared with the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.lone = LoneSwim()
        self.before: dict[str, tuple[MemberState, int, Address]] = {}
        self.died_at: dict[str, float] = {}
        self.believed: dict[str, MemberState] = {}
        self.has_left = False
        self.good_bye = 0  # the incarnation we left with

    @rule(claims=st.lists(CLAIMS, min_size=1, max_size=8))
    def claims_arrive(self, claims: list[Alive | Suspect | Dead]) -> None:
        for claim in claims:
            self.lone.hear(claim)
            self.incarnations_and_returns_are_earned()

    @rule(
        said=st.lists(
            st.tuples(MEMBERS, INCARNATIONS, st.integers(0, 3)), max_size=4, unique_by=lambda entry: entry[0]
        ),
        is_answer=st.booleans(),
    )
    def a_whole_table_is_shown(self, said: list[tuple[str, int, int]], is_answer: bool) -> None:
        records = tuple(
            RemoteRecord(
                name,
                (OWN if name == "me" else address_of(name)).raw_host,
                7946,
                b"\xff\x80",
                incarnation,
                state,
                OUR_VERSION,
            )
            for name, incarnation, state in said
        )
        gone_before = {name for name, (state, _, _) in self.before.items() if state in GONE}
        said_to_have_left = {name for name, _, state in said if state == MemberState.LEFT}
        message = encode_for_stream(PushPull(False, records, b""))
        swim, now = self.lone.swim, self.lone.now
        if is_answer and swim.exchange_with(address_of("p2"), now, is_join=True):
            request = swim.streams_to_open(now)[-1]
            swim.receive_stream_reply(request.id, message, now)
        else:
            assert swim.receive_stream(message, address_of("p2"), now)
        gone = {record.name for record in swim.table if record.is_gone}
        assert gone <= gone_before | said_to_have_left, "hearsay of a death killed somebody"

    @rule(seq_no=st.integers(0, 2**32 - 1), kind=st.sampled_from([Ack, Nack]))
    def an_answer_comes(self, seq_no: int, kind: type[Ack] | type[Nack]) -> None:
        self.lone.hear(kind(seq_no))

    @rule(seq_no=st.integers(0, 2**32 - 1), name=MEMBERS)
    def somebody_asks(self, seq_no: int, name: str) -> None:
        self.lone.hear(Ping(seq_no, name))
        self.lone.hear(IndirectPing(seq_no, address_of("p3").raw_host, 0, name, True))

    @rule(seq_no=st.integers(0, 2**32 - 1), name=MEMBERS | st.just("p9"), source=MEMBERS | st.just("p9"))
    def somebody_wants_us_to_send_elsewhere(self, seq_no: int, name: str, source: str) -> None:
        victim = VICTIM.raw_host
        self.lone.hear(Ping(seq_no, "me", victim, 53, source))
        self.lone.hear(IndirectPing(seq_no, victim, 53, name, True, victim, 53, source))

    @rule(name=MEMBERS)
    def the_owner_asks(self, name: str) -> None:
        assert self.lone.swim.probe(name, self.lone.now) == (name != "me" and self.lone.state(name) is not None)

    @rule(answering=st.sets(st.sampled_from(PEERS)), seconds=st.sampled_from([0.05, 0.7, 3.0, 40.0]))
    def time_passes(self, answering: set[str], seconds: float) -> None:
        self.lone.answers = answering
        self.lone.run(seconds)
        for request in self.lone.swim.streams_to_open(self.lone.now):
            self.lone.swim.receive_stream_reply(request.id, None, self.lone.now)

    @rule(seconds=st.sampled_from([1.5, 30.0, 500.0]))
    def our_process_stands_still(self, seconds: float) -> None:
        self.lone.now += seconds

    @rule(meta=st.sampled_from([b"", b"\xff\x80", b"other"]))
    def we_announce(self, meta: bytes) -> None:
        self.lone.swim.announce(meta, self.lone.now)

    @precondition(lambda self: not self.has_left)
    @rule()
    def we_leave(self) -> None:
        self.lone.swim.leave(self.lone.now)
        self.has_left = True
        self.good_bye = self.lone.swim.table.own.incarnation

    @invariant()
    def incarnations_and_returns_are_earned(self) -> None:
        after = {record.name: (record.state, record.incarnation, record.address) for record in self.lone.swim.table}
        for name, (state, incarnation, address) in after.items():
            if name not in self.before:
                continue
            state_before, incarnation_before, address_before = self.before[name]
            if address != address_before:
                free_at = self.died_at.get(name, math.inf) + SwimSettings.lan().reclaim_after
                assert state_before is MemberState.LEFT or (
                    state_before is MemberState.DEAD and self.lone.now > free_at
                )
                continue
            assert incarnation >= incarnation_before
            if state_before in GONE and state not in GONE:
                assert incarnation > incarnation_before
        self.before = after
        self.died_at = {record.name: record.changed_at for record in self.lone.swim.table if record.is_gone}

    @invariant()
    def we_ourselves_are_alive_until_we_leave(self) -> None:
        own = self.lone.swim.table.own
        assert own.state is (MemberState.LEFT if self.has_left else MemberState.ALIVE)
        assert own.incarnation >= 1 and not self.lone.is_suspicion_running("me")
        assert not self.has_left or own.incarnation == self.good_bye, "refuted after leaving"

    @invariant()
    def a_suspicion_runs_exactly_while_a_member_is_suspect(self) -> None:
        for record in self.lone.swim.table:
            assert self.lone.is_suspicion_running(record.name) == (record.state is MemberState.SUSPECT)

    @invariant()
    def events_tell_the_same_story_as_the_table(self) -> None:
        for event in self.lone.events():
            match event:
                case MemberJoined() | MemberRefuted():
                    self.believed[event.name] = MemberState.ALIVE
                case MemberSuspected():
                    assert self.believed[event.name] is MemberState.ALIVE
                    self.believed[event.name] = MemberState.SUSPECT
                case MemberFailed():
                    self.believed[event.name] = MemberState.DEAD
                case MemberLeft():
                    self.believed[event.name] = MemberState.LEFT
                case _:
                    continue
        for record in self.lone.swim.table:
            if record.name != "me":
                assert self.believed[record.name] is record.state

    @invariant()
    def the_score_is_in_its_bounds(self) -> None:
        assert 0 <= self.lone.swim.awareness <= 7

    @invariant()
    def what_we_say_can_be_read(self) -> None:
        for message, where in self.lone.sent():
            assert where != VICTIM, "a packet to us made us send to a stranger"
            if isinstance(message, Alive) and message.member == "me":
                assert message.incarnation <= self.lone.swim.table.own.incarnation


Claims.TestCase.settings = settings(stateful_step_count=30)
TestClaims = Claims.TestCase
