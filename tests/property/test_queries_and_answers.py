"""Whatever is answered, by whomever and whenever: each member counts once, in time, and the sums are right."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.serf.events import QueryAcked, QueryAnswered, QueryFinished
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.wire.serf_messages import RESPONSE_IS_ACK, QueryResponse
from tests.support.serf_member import LoneSerf

TIMEOUT = 1.0
# seconds since the last step, which of three queries, from whom, whether it is an ack, whether the timer fires before
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.45, 0.55, 1.0]),
        st.integers(0, 2),
        st.sampled_from(["p2", "p3", "p9", "me"]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_each_member_counts_once_and_in_time_and_the_sums_are_right(
    steps: list[tuple[float, int, str, bool, bool]],
) -> None:
    lone = LoneSerf()
    asked: list[tuple[int, float]] = []  # id, deadline; the Lamport time is the place, from 1
    for offset in (0.0, 0.3, 0.3):
        lone.now += offset
        request = QueryRequest("who", members=("p2", "p3"), timeout=TIMEOUT)
        asked.append((lone.serf.query(request, lone.now), lone.now + TIMEOUT))
    for pause, which, member, is_ack, fires in steps:
        lone.now += pause
        if fires:
            lone.serf.handle_timer(lone.now)
        lone.hear_serf(QueryResponse(which + 1, asked[which][0], member, RESPONSE_IS_ACK if is_ack else 0, b""))
    lone.now += 2 * TIMEOUT
    lone.serf.handle_timer(lone.now)
    told = lone.events()
    deadlines = dict(asked)
    counted = [event for event in told if isinstance(event, QueryAcked | QueryAnswered)]
    assert all(event.at < deadlines[event.id] for event in counted)
    assert max(Counter((type(event), event.id, event.member) for event in counted).values(), default=1) == 1
    ends = {event.id: event for event in told if isinstance(event, QueryFinished)}
    assert set(ends) == set(deadlines)
    for number, end in ends.items():
        assert end.acks == sum(isinstance(event, QueryAcked) and event.id == number for event in counted)
        assert end.answers == sum(isinstance(event, QueryAnswered) and event.id == number for event in counted)
        last = max((place for place, event in enumerate(told) if getattr(event, "id", None) == number), default=0)
        assert told[last] is end, "nothing is told of a query after its end"
