"""Listeners of what happens: none delays another, none grows without bound, and none loses anything silently."""

import asyncio

import pytest

from ceilo_gossip.control.feed import Feed, TooSlowError

pytestmark = pytest.mark.asyncio


async def test_each_listener_hears_what_it_wants_in_order() -> None:
    feed = Feed()
    every, odd = feed.listen(lambda item: True), feed.listen(lambda item: item["n"] % 2 == 1)
    for n in range(4):
        feed.publish({"n": n})
    feed.close()
    assert [item["n"] async for item in every] == [0, 1, 2, 3]
    assert [item["n"] async for item in odd] == [1, 3]


async def test_listener_that_waits_is_woken() -> None:
    feed = Feed()
    listener = feed.listen(lambda item: True)
    waiting = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0)
    feed.publish({"n": 1})
    assert await waiting == {"n": 1}


async def test_slow_listener_gets_what_was_kept_and_is_told_what_it_missed() -> None:
    feed = Feed(most=2)
    slow, fast = feed.listen(lambda item: True), feed.listen(lambda item: True)
    for n in range(5):
        feed.publish({"n": n})
        assert await anext(fast) == {"n": n}
    assert [await anext(slow), await anext(slow)] == [{"n": 0}, {"n": 1}]
    with pytest.raises(TooSlowError) as caught:
        await anext(slow)
    assert caught.value.missed == 3
    assert feed.counters == {"events_dropped": 3, "slow_readers_cut_off": 1}


async def test_slow_listener_hears_nothing_newer_than_what_it_missed() -> None:
    feed = Feed(most=1)
    slow = feed.listen(lambda item: True)
    feed.publish({"n": 0})
    feed.publish({"n": 1})
    assert await anext(slow) == {"n": 0}
    feed.publish({"n": 2})
    with pytest.raises(TooSlowError):
        await anext(slow)


async def test_unwanted_items_fill_nobody() -> None:
    feed = Feed(most=1)
    listener = feed.listen(lambda item: False)
    for n in range(5):
        feed.publish({"n": n})
    assert not listener.is_cut_off and feed.counters == {}


async def test_closed_listener_is_forgotten() -> None:
    feed = Feed()
    listener = feed.listen(lambda item: True)
    listener.close()
    assert not feed.has_listeners
    assert [item async for item in listener] == []
