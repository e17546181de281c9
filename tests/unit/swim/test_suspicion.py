"""The arithmetic of suspicion, awareness and settings."""

import math
import random
from dataclasses import replace

import pytest

from ceilo_gossip.swim.awareness import Awareness
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.suspicion import Suspicion, suspicion_bounds
from ceilo_gossip.swim.suspicions import Suspicions

LAN = SwimSettings.lan()


@pytest.mark.parametrize(
    ("members", "confirmations", "minimum"),
    [(1, 0, 4.0), (2, 0, 4.0), (3, 0, 4.0), (4, 2, 4.0), (10, 2, 4.0), (20, 2, 5.204), (100, 2, 8.0), (1000, 2, 12.0)],
)
def test_bounds_are_those_measured_on_real_agents(members: int, confirmations: int, minimum: float) -> None:
    bounds = suspicion_bounds(LAN, members)
    assert bounds.confirmations == confirmations
    assert bounds.minimum == pytest.approx(minimum)
    assert bounds.maximum == pytest.approx(6 * minimum)


def test_timeout_shrinks_with_each_independent_accuser() -> None:
    suspicion = Suspicion("a", 100.0, suspicion_bounds(LAN, 20))
    assert suspicion.deadline == pytest.approx(100 + 31.224, abs=0.002)
    assert not suspicion.confirm("a"), "the first accuser confirms nothing"
    assert suspicion.confirm("b")
    assert suspicion.deadline == pytest.approx(100 + 14.807, abs=0.002)
    assert not suspicion.confirm("b")
    assert suspicion.confirm("c")
    assert suspicion.deadline == pytest.approx(100 + 5.204)
    assert not suspicion.confirm("d"), "more than needed are not counted"


def test_small_pool_waits_for_nobody() -> None:
    suspicion = Suspicion("a", 0.0, suspicion_bounds(LAN, 3))
    assert suspicion.deadline == pytest.approx(4.0) and not suspicion.confirm("b")


def test_stall_of_ours_is_given_back_to_the_suspect() -> None:
    suspicion = Suspicion("a", 0.0, suspicion_bounds(LAN, 3))
    suspicion.forgive(7.5)
    assert suspicion.deadline == pytest.approx(11.5)


def test_awareness_stays_within_its_bounds_and_scales_waits() -> None:
    awareness = Awareness(8)
    awareness.apply(-1)
    assert awareness.score == 0 and awareness.scale(0.5) == 0.5
    awareness.apply(100)
    assert awareness.score == 7 and awareness.scale(0.5) == 4.0
    awareness.apply(-1)
    assert awareness.score == 6


@pytest.mark.parametrize(
    "impossible",
    [
        {"probe_timeout": 1.0},
        {"probe_interval": 0.0},
        {"gossip_interval": -1.0},
        {"suspicion_multiplier": 0},
        {"nack_fraction": 1.5},
        {"datagram_limit": 100},
        {"datagram_limit": 70000},
        {"probe_interval": math.nan},
        {"probe_interval": math.inf},
    ],
)
def test_impossible_settings_are_refused(impossible: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        replace(LAN, **impossible)  # type: ignore[arg-type]


def test_profiles_are_memberlists() -> None:
    assert (LAN.probe_interval, LAN.probe_timeout, LAN.gossip_interval) == (1.0, 0.5, 0.2)
    assert (SwimSettings.wan().probe_interval, SwimSettings.wan().suspicion_multiplier) == (5.0, 6)
    assert (SwimSettings.local().probe_timeout, SwimSettings.local().indirect_checks) == (0.2, 1)


@pytest.mark.parametrize(("members", "minimum"), [(5, 3.0), (10, 3.0), (20, 3.903), (100, 6.0), (1000, 9.0)])
def test_our_own_profile_gives_up_sooner_and_wants_more_accusers_for_it(members: int, minimum: float) -> None:
    ours, lan = SwimSettings.compute(), SwimSettings.lan()
    bounds = suspicion_bounds(ours, members)
    assert bounds.minimum == pytest.approx(minimum) and bounds.minimum < suspicion_bounds(lan, members).minimum
    assert bounds.confirmations == (4 if members > 5 else 0)
    assert (ours.gossip_interval, ours.push_pull_interval) == (lan.gossip_interval, lan.push_pull_interval)


def test_the_suspicion_that_runs_out_next_is_known_whatever_happened_before() -> None:
    rng = random.Random(5)
    suspicions, running, now = Suspicions(), {}, 0.0
    bounds = suspicion_bounds(LAN, 20)
    for _ in range(3000):
        now += rng.random()
        name = f"p{rng.randrange(40)}"
        if name not in running:
            suspicions.start(name, "a", now, bounds)
            running[name] = suspicions.get(name)
        elif rng.random() < 0.5:
            suspicions.confirm(name, rng.choice("bcd"))
        elif rng.random() < 0.1:
            suspicions.forgive(rng.random())
        else:
            suspicions.end(name)
            del running[name]
        assert suspicions.next_deadline == min((one.deadline for one in running.values()), default=None)
        while (expired := suspicions.next_expired(now)) is not None:
            assert running.pop(expired).deadline <= now
            suspicions.end(expired)
        assert all(one.deadline > now for one in running.values()) and len(suspicions) == len(running)


def test_suspicions_that_come_and_go_leave_nothing_behind() -> None:
    suspicions, bounds = Suspicions(), suspicion_bounds(LAN, 20)
    suspicions.start("p1", "a", 0.0, bounds)
    for number in range(1, 10_000):
        suspicions.start("p2", "a", 0.001 * number, bounds)
        suspicions.confirm("p2", "b")
        suspicions.end("p2")
    assert len(suspicions._ends) < 100 and suspicions.next_deadline == pytest.approx(31.224, abs=0.002)
