"""Queued messages: how often, in which order, and what replaces what."""

from collections import Counter

from ceilo_gossip.swim import broadcasts
from ceilo_gossip.swim.broadcasts import BroadcastQueue


def take(queue: BroadcastQueue, budget: int = 1000, members: int = 9, at_most: int = 100) -> list[bytes]:
    return queue.take(budget=budget, overhead=2, at_most=at_most, members=members)


def test_message_is_sent_a_number_of_times_that_grows_with_the_pool() -> None:
    for members, times in ((1, 4), (4, 4), (9, 9), (16, 16), (99, 16), (10_000, 20)):
        queue = BroadcastQueue(4)
        queue.push(b"x")
        sent = 0
        while take(queue, members=members):
            sent += 1
        assert sent == times and len(queue) == 0


def test_new_message_about_a_member_replaces_the_old_one() -> None:
    queue = BroadcastQueue(4)
    queue.push(b"old", about="h1")
    queue.push(b"new", about="h1")
    queue.push(b"other", about="h2")
    assert sorted(take(queue)) == [b"new", b"other"]


def test_accusers_stand_side_by_side_until_the_member_answers() -> None:
    queue = BroadcastQueue(4)
    queue.push(b"a accuses", about="h1", detail="a")
    queue.push(b"b accuses", about="h1", detail="b")
    assert len(take(queue)) == 2
    queue.push(b"alive", about="h1")
    assert take(queue) == [b"alive"]


def test_least_sent_goes_first_then_longest_then_newest() -> None:
    queue = BroadcastQueue(4)
    queue.push(b"sent")
    take(queue)
    for message in (b"aa", b"long one", b"bb"):
        queue.push(message)
    assert take(queue) == [b"long one", b"bb", b"aa", b"sent"]


def test_packet_is_filled_with_what_still_fits() -> None:
    queue = BroadcastQueue(4)
    for message in (b"x" * 50, b"y" * 40, b"z" * 5):
        queue.push(message)
    assert take(queue, budget=60) == [b"x" * 50, b"z" * 5]
    assert take(queue, budget=60, at_most=1) == [b"y" * 40]


def test_full_queue_drops_the_most_often_sent_and_counts_it() -> None:
    counters: Counter[str] = Counter()
    queue = BroadcastQueue(4, counters)
    queue.push(b"sent", about="old")
    take(queue)
    for number in range(broadcasts.MAX_QUEUED):
        queue.push(b"n%d" % number)
    assert len(queue) == broadcasts.MAX_QUEUED and queue.dropped == 1 and not queue.has("old")
    assert counters == {"broadcasts_over_limit": 1}


def test_no_transmission_is_spent_on_telling_a_member_what_it_said_itself() -> None:
    queue = BroadcastQueue(2)
    queue.push(b"I live", about="h1", not_to="h1")
    for _ in range(10):
        assert queue.take(budget=100, overhead=2, at_most=9, members=3, to="h1") == []
    assert queue.take(budget=100, overhead=2, at_most=9, members=3, to="h2") == [b"I live"]
