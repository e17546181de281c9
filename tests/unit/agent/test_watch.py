"""From a pool's event to a report, with fake pools and a clock the test holds."""

import datetime

import pytest

from ceilo_gossip.agent.port import FakePool
from ceilo_gossip.agent.watch import Watch
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import from_payload
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.quorum import QuorumSettings
from ceilo_gossip.health.settings import AnnouncerSettings, JudgeSettings
from ceilo_gossip.health.sighting import HostFacts, Presence, Sighting
from ceilo_gossip.report.outbox import Report

WITNESSES = frozenset({"ctl-1", "ctl-2", "ctl-3"})
FACTS = HostFacts(role="compute", boot_id="b1", networks=frozenset(Network))
WALL = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)


class World:
    """The watch of ctl-1, its only candidate for speaking: the other members are witnesses that never come alive."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pools = {network: FakePool(network) for network in Network}
        self.reports: list[Report] = []
        self.judge = Judge(
            JudgeSettings(
                own="ctl-1",
                run="run",
                networks=frozenset(Network),
                quorum=QuorumSettings(electorate=WITNESSES, own="ctl-1"),
            ),
            now=self.now,
        )
        self.watch = Watch(
            own="ctl-1",
            project_id="p1",
            witnesses=WITNESSES,
            pools=self.pools,
            judge=self.judge,
            announcer=Announcer(AnnouncerSettings(own="ctl-1", speakers=2, repeat_interval=10.0)),
            submit=self.reports.append,
            wall=lambda: WALL,
        )
        for pool in self.pools.values():
            pool.answering = {"ctl-2", "ctl-3"}

    def see(self, host: str, presence: Presence, networks: frozenset[Network] = frozenset(Network)) -> None:
        for network in networks:
            suspected_at = None if presence in (Presence.ALIVE, Presence.LEFT) else self.now - 4.0
            self.pools[network].now = self.now
            self.pools[network].sightings[host] = Sighting(
                host=host,
                network=network,
                presence=presence,
                changed_at=self.now,
                suspected_at=suspected_at,
                facts=FACTS,
            )
            self.watch.handle_member(network, host, self.now)

    def run(self, seconds: float) -> None:
        """Do what the agent's one timer does."""
        end = self.now + seconds
        while (at := self.watch.get_timer()) is not None and at <= end:
            self.now = max(self.now, at)
            for pool in self.pools.values():
                pool.now = self.now
            self.watch.handle_timer(self.now)
        self.now = end


def test_death_becomes_one_report_with_the_whole_verdict() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(1.0)
    [report] = world.reports
    verdict = from_payload(report.payload)
    assert (report.topic, report.event_type) == ("ceilo_gossip.health", "compute.host.health")
    assert set(verdict.networks.values()) == {NetworkState.DOWN}
    assert (verdict.host, verdict.speaker, verdict.boot_id, verdict.role) == ("cmp-1", "ctl-1", "b1", "compute")
    assert verdict.first_suspicion_at is not None and verdict.first_suspicion_at < verdict.concluded_at
    assert report.payload["project_id"] == "p1"


def test_the_host_and_each_witness_but_ourselves_are_asked_before_anything_bad_is_said() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD, frozenset({Network.STORAGE}))
    assert set(world.pools[Network.STORAGE].probed) == {"ctl-2", "ctl-3", "cmp-1"}
    assert world.reports == []


def test_nothing_is_reported_while_no_witness_answers() -> None:
    world = World()
    for pool in world.pools.values():
        pool.answering = set()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(60.0)
    assert world.reports == []


def test_bad_verdict_is_repeated_with_its_id_and_a_higher_sequence() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(25.0)
    verdicts = [from_payload(report.payload) for report in world.reports]
    assert [v.repeat for v in verdicts] == [0, 1, 2]
    assert [v.sequence for v in verdicts] == [1, 2, 3]
    assert len({v.verdict_id for v in verdicts}) == 1
    assert [report.is_repeat for report in world.reports] == [False, True, True]


def test_repeats_end_when_our_own_network_breaks() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(1.0)
    for pool in world.pools.values():
        pool.answering = set()
    world.run(60.0)
    assert len(world.reports) == 1


def test_host_that_returns_is_reported_good_once() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(1.0)
    world.see("cmp-1", Presence.ALIVE)
    world.run(60.0)
    assert [from_payload(report.payload).is_bad for report in world.reports] == [True, False]


def test_planned_stop_is_not_reported() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.LEFT)
    world.run(600.0)
    assert world.reports == []


def test_member_that_left_and_was_forgotten_at_once_is_no_longer_taken_for_alive() -> None:
    """A pruning force-leave, heard before this agent missed the host."""
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    for network in Network:
        world.pools[network].sightings.clear()
        world.watch.handle_left(network, "cmp-1", world.now, world.now)
    assert set(world.judge.conclusions()["cmp-1"].networks.values()) == {NetworkState.UNKNOWN}


def test_dead_member_that_is_called_left_and_forgotten_is_still_down(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.see("cmp-1", Presence.DEAD)
    world.run(1.0)
    world.pools[Network.STORAGE].sightings.clear()
    world.watch.handle_left(Network.STORAGE, "cmp-1", world.now, world.now)
    world.run(60.0)
    assert set(world.judge.conclusions()["cmp-1"].networks.values()) == {NetworkState.DOWN}
    assert "cmp-1 is called left on storage after it was found DOWN" in caplog.text


def test_member_that_the_pool_forgot_is_no_error() -> None:
    world = World()
    world.watch.handle_member(Network.STORAGE, "nobody", world.now)
    assert world.reports == []


def test_timer_rests_while_nothing_happens() -> None:
    world = World()
    world.see("cmp-1", Presence.ALIVE)
    world.run(120.0)
    assert world.watch.get_timer() is None
