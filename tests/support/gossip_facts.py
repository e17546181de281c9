"""What the members of a mixed pool have found of each other, whatever their kind, and how long they may take for it.

The agents tell it in their logs (level debug), ours in events and counters. Lengths are seconds.
"""

import asyncio
import re
import time
from collections.abc import Callable

from ceilo_gossip.serf.events import MemberFailed, MemberRefuted, MemberSuspected
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.suspicion import suspicion_bounds
from tests.support.mixed_pool import MixedPool
from tests.support.our_member import OurMember
from tests.support.serf_agent import LIMIT, POLL_INTERVAL, RealAgent

# What a loaded machine adds to a length that a formula gives: with all the pools of a module side by side.
ALLOWANCE = 10.0

Either = RealAgent | OurMember


def shortest_suspicion(settings: SwimSettings, members: int) -> float:
    """How long a doubt lasts that enough others share."""
    return suspicion_bounds(settings, members).minimum


def longest_suspicion(settings: SwimSettings, members: int) -> float:
    """How long a doubt lasts that nobody shares."""
    bounds = suspicion_bounds(settings, members)
    return bounds.maximum if bounds.confirmations else bounds.minimum


def longest_round(settings: SwimSettings, members: int, *, times: int = 1) -> float:
    """Until everybody has probed everybody so often.

    Each goes through the others in an order that it draws anew for each pass, so at worst it asks somebody first in
    one pass and last in the next.
    """
    return (times + 1) * (members - 1) * settings.probe_interval


def longest_detection(settings: SwimSettings, members: int) -> float:
    """From a death to the word "failed", when every survivor accuses."""
    return longest_round(settings, members) + shortest_suspicion(settings, members)


async def until(is_so: Callable[[], bool], what: str, *, limit: float = LIMIT) -> None:
    """Wait for a fact; AssertionError when it has not come true within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < deadline, f"not in {limit} s: {what}"
        await asyncio.sleep(POLL_INTERVAL)


def doubted(by: Either) -> list[str]:
    """Whom this member has itself had no answer from."""
    if isinstance(by, RealAgent):
        return re.findall(r"memberlist: Suspect (\S+) has failed, no acks received", by.log)
    return [one.name for one in list(by.events) if isinstance(one, MemberSuspected) and one.accuser == by.name]


def failed(by: Either) -> list[str]:
    """Whom this member has ever held for failed."""
    if isinstance(by, RealAgent):
        return re.findall(r"serf: EventMemberFailed: (\S+)", by.log)
    return [one.name for one in list(by.events) if isinstance(one, MemberFailed)]


def refutations(by: Either) -> int:
    """How often this member has had to say that it lives."""
    if isinstance(by, RealAgent):
        return len(re.findall(r"memberlist: Refuting a (?:suspect|dead) message", by.log))
    return by.serf.counters.get("refutations", 0)


async def health_score(of: Either) -> int:
    """How much this member distrusts itself; 0 is healthy."""
    if isinstance(of, RealAgent):
        return int((await of.figures())["serf"]["health_score"])
    return of.serf.awareness


def story_of(pool: MixedPool) -> str:
    """What a failure is explained with: what each has told of the others."""
    lines = [f"{agent.name}: {line}" for agent in pool.real for line in agent.log.splitlines() if "memberlist:" in line]
    lines += [f"{one.name}: {event}" for one in pool.ours for event in list(one.events)]
    return "\n".join([*lines, *(f"{one.name}: {dict(one.serf.counters)}" for one in pool.ours)])


def assert_nobody_doubted(pool: MixedPool) -> None:
    """Nobody has ever had no answer from somebody, or has had to say that it lives."""
    for one in (*pool.real, *pool.ours):
        assert (doubted(one), failed(one), refutations(one)) == ([], [], 0), f"{one.name}\n{story_of(pool)}"
    for member in pool.ours:
        told = [event for event in list(member.events) if isinstance(event, MemberSuspected | MemberRefuted)]
        assert told == [], f"{member.name}\n{story_of(pool)}"


def assert_calm(pool: MixedPool) -> None:
    """Nobody has ever been in doubt, and nobody has found anything wrong with what it got."""
    assert_nobody_doubted(pool)
    for member in pool.ours:
        assert (dict(member.serf.counters), member.serf.awareness) == ({}, 0), member.name
    for agent in pool.real:
        assert agent.complaints == [], agent.name
