"""Pools of real members in virtual time: what the agent above relies on."""

import pytest

from ceilo_gossip.serf.events import (
    LeaveFinished,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
)
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.keyring import Keyring
from tests.support.gossip_world import GossipWorld, Host

S = MemberState
KEYRING = Keyring([bytes(32)])


def all_see(hosts: list[Host], name: str, state: MemberState) -> bool:
    return all(host.sees(name) is state for host in hosts)


def all_know_all(hosts: list[Host]) -> bool:
    names = {host.settings.name for host in hosts}
    return all(
        set(host.members()) == names and all(member.state is S.ALIVE for member in host.members().values())
        for host in hosts
    )


def settled(count: int = 8, **world: object) -> tuple[GossipWorld, list[Host]]:
    """A pool in which everybody has been probed for a while."""
    gossip = GossipWorld(**world)  # type: ignore[arg-type]
    hosts = gossip.start_pool(count)
    gossip.run_until(lambda: all_know_all(hosts), within=30)
    gossip.run(20)
    return gossip, hosts


@pytest.mark.parametrize("keyring", [None, KEYRING])
@pytest.mark.parametrize("count", [2, 8, 40])
def test_members_find_each_other(count: int, keyring: Keyring | None) -> None:
    world = GossipWorld()
    hosts = world.start_pool(count, keyring=keyring)
    world.run_until(lambda: all_know_all(hosts), within=10)


def test_small_pool_leaves_nobody_out() -> None:
    for seed in range(30):
        world = GossipWorld(seed=seed)
        hosts = world.start_pool(8)
        world.run_until(lambda: all_know_all(hosts), within=3)  # noqa: B023


@pytest.mark.parametrize("seed", range(20))
def test_third_member_is_known_at_once_and_not_with_the_next_push_pull(seed: int) -> None:
    world = GossipWorld(seed=seed, swim=SwimSettings.local())
    first = world.start("h1")
    second = world.start("h2", join=["h1"])
    world.run(0.05)
    third = world.start("h3", join=["h1"])
    world.run_until(lambda: all_know_all([first, second, third]), within=1)


def test_members_find_each_other_over_bad_links() -> None:
    world = GossipWorld(loss=0.2, seed=5)
    hosts = world.start_pool(8)
    world.run_until(lambda: all_know_all(hosts), within=60)


def test_cluster_powered_on_in_any_order_finds_itself() -> None:
    world = GossipWorld()
    for number in (8, 7, 6, 5, 4, 3):
        world.start(f"h{number}", join=["h1", "h2"])
        world.run(25)
    assert all(len(host.members()) == 1 for host in world.hosts), "nobody to join yet"
    world.start("h2", join=["h1", "h2"])
    world.start("h1", join=["h1", "h2"])
    world.run_until(lambda: all_know_all(world.hosts), within=20)


def test_halves_that_started_apart_become_one_pool() -> None:
    world = GossipWorld()
    left = [world.start(f"h{n}", join=["h1", "h2", "h3", "h4"]) for n in (1, 2)]
    world.run(1)
    right = [world.start(f"h{n}") for n in (3, 4)]
    world.act(right[0], lambda serf: serf.join([world.address_of("h4")], world.now))
    world.run_until(lambda: all_know_all(left) and all_know_all(right), within=5)
    world.run_until(lambda: all_know_all(left + right), within=60)


def test_pool_of_another_key_stays_apart() -> None:
    world = GossipWorld()
    hosts = world.start_pool(3, keyring=KEYRING)
    stranger = world.start("h9", join=["h1"], keyring=Keyring([b"x" * 32]))
    world.run(60)
    assert set(stranger.members()) == {"h9"} and all("h9" not in host.members() for host in hosts)
    assert hosts[0].serf.counters["streams_refused_DecryptError"] > 0


@pytest.mark.parametrize("seed", range(5))
def test_silent_member_is_suspected_and_failed_within_the_formulas_time(seed: int) -> None:
    world, hosts = settled(seed=seed)
    killed_at, victim, others = world.now, hosts[-1], hosts[:-1]
    world.kill(victim)
    world.run_until(lambda: all_see(others, "h8", S.DEAD), within=25)
    for host in others:
        (suspected_at,) = host.told(MemberSuspected, "h8")
        (failed_at,) = host.told(MemberFailed, "h8")
        # Every member asks it once in two passes of seven seconds, and needs one interval to be sure.
        assert 0.9 < suspected_at - killed_at < 15.5
        # 4 * max(1, log10(8)) * 1 s when two others confirm; hearing of the first decision may save a moment.
        assert 3.8 <= failed_at - suspected_at <= 7.5
        assert host.members()["h8"].suspected_at == suspected_at


@pytest.mark.parametrize("seed", range(5))
def test_member_behind_one_broken_link_does_not_fail(seed: int) -> None:
    world, hosts = settled(seed=seed)
    world.cut(hosts[0], hosts[1])
    world.run(120)
    assert all_know_all(hosts)
    assert not any(host.told(MemberFailed, host2.settings.name) for host in hosts for host2 in hosts)


def test_nobody_fails_over_lossy_links() -> None:
    world, hosts = settled(seed=11)
    world.loss = 0.1
    world.run(300)
    assert not any(host.told(MemberFailed, other.settings.name) for host in hosts for other in hosts)


def test_suspected_member_that_can_answer_is_alive_again() -> None:
    world, hosts = settled(seed=2)
    world.isolate(hosts[7])
    world.run_until(lambda: hosts[0].sees("h8") is S.SUSPECT, within=5)
    world.heal()
    world.run_until(lambda: all_see(hosts[:7], "h8", S.ALIVE), within=5)
    world.run(10)
    assert hosts[0].told(MemberRefuted, "h8") and not hosts[0].told(MemberFailed, "h8")
    assert hosts[0].members()["h8"].incarnation > 1 and hosts[0].members()["h8"].suspected_at is None


def test_paused_observer_accuses_nobody_when_it_goes_on() -> None:
    world, hosts = settled(seed=3)
    world.pause(hosts[0])
    world.run(2)
    world.resume(hosts[0])
    world.run(30)
    assert not any(host.told(MemberFailed, other.settings.name) for host in hosts for other in hosts)


@pytest.mark.parametrize("seconds", [15, 60, 600])
def test_healed_partition_is_one_pool_again(seconds: int) -> None:
    world, hosts = settled(seed=4)
    world.isolate(hosts[0])
    world.run(seconds)
    assert all_see(hosts[1:], "h1", S.DEAD)
    world.heal()
    assert world.run_until(lambda: all_know_all(hosts), within=45) <= 45
    world.run(60)
    assert all_know_all(hosts)


def test_pool_cut_in_halves_is_one_pool_again() -> None:
    world, hosts = settled(seed=6)
    for left in hosts[:4]:
        for right in hosts[4:]:
            world.cut(left, right)
    world.run(90)
    assert all_see(hosts[:4], "h8", S.DEAD) and all_see(hosts[4:], "h1", S.DEAD)
    world.heal()
    world.run_until(lambda: all_know_all(hosts), within=120)


@pytest.mark.parametrize("seed", range(3))
def test_graceful_leave_is_left_and_never_failed(seed: int) -> None:
    world, hosts = settled(seed=seed)
    world.act(hosts[7], lambda serf: serf.leave(world.now))
    world.run_until(lambda: bool(hosts[7].told(LeaveFinished, "h8")), within=12)
    world.kill(hosts[7])
    assert all_see(hosts[:7], "h8", S.LEFT)
    world.run(120)
    assert all_see(hosts[:7], "h8", S.LEFT)
    for host in hosts[:7]:
        assert len(host.told(MemberLeft, "h8")) == 1 and not host.told(MemberFailed, "h8")


def test_member_that_dies_after_its_leave_intent_is_left() -> None:
    world, hosts = settled(seed=9)
    world.act(hosts[7], lambda serf: serf.leave(world.now))
    world.run(0.3)
    world.kill(hosts[7])
    world.run(60)
    assert all_see(hosts[:7], "h8", S.LEFT) and not any(host.told(MemberFailed, "h8") for host in hosts[:7])


def test_leaving_alone_ends_too() -> None:
    world = GossipWorld()
    lone = world.start("h1")
    world.run(3)
    world.act(lone, lambda serf: serf.leave(world.now))
    world.run_until(lambda: bool(lone.told(LeaveFinished, "h1")), within=12)
    assert lone.serf.get_timer() is None


@pytest.mark.parametrize("away", [0.1, 10.0, 100.0])
@pytest.mark.parametrize("is_graceful", [False, True])
def test_restarted_member_is_alive_again_with_its_new_tags(away: float, is_graceful: bool) -> None:
    world, hosts = settled(seed=8)
    world.act(hosts[7], lambda serf: serf.set_tags({"boot": "1"}, world.now))
    world.run(2)
    if is_graceful:
        world.act(hosts[7], lambda serf: serf.leave(world.now))
        world.run(8)
    world.kill(hosts[7])
    world.run(away)
    hosts[7] = world.start("h8", join=["h1", "h2"], tags={"boot": "2"})
    world.run_until(
        lambda: all_know_all(hosts) and all(host.members()["h8"].tags == {"boot": "2"} for host in hosts), within=5
    )
    world.run(60)
    assert all_know_all(hosts)


@pytest.mark.parametrize("is_graceful", [False, True])
def test_member_that_joins_again_through_one_that_never_knew_it_is_soon_alive_everywhere(is_graceful: bool) -> None:
    """As when two hosts reboot: nobody it asks tells it of its earlier life, and its number is too old for the rest."""
    world, hosts = settled(seed=8)
    if is_graceful:
        for host in hosts[6:]:
            world.act(host, lambda serf: serf.leave(world.now))
        world.run(8)
    for host in hosts[6:]:
        world.kill(host)
    world.run(20)
    hosts[6] = world.start("h7", join=["h1"])
    world.run(2)
    assert hosts[6].sees("h8") is None
    hosts[7] = world.start("h8", join=["h7"], tags={"boot": "2"})
    world.run_until(
        lambda: all_know_all(hosts) and all(host.members()["h8"].tags == {"boot": "2"} for host in hosts), within=3
    )


def test_other_tags_reach_everybody() -> None:
    world, hosts = settled()
    world.act(hosts[0], lambda serf: serf.set_tags({"role": "new"}, world.now))
    world.run_until(lambda: all(host.members()["h1"].tags == {"role": "new"} for host in hosts), within=3)
    assert all(len(host.told(MemberUpdated, "h1")) == 1 for host in hosts)
    with pytest.raises(ValueError, match="512"):
        hosts[0].serf.set_tags({"x": "y" * 600}, world.now)


def test_extra_probes_show_who_answers_now() -> None:
    world, hosts = settled()
    asked_at = world.now
    for name in ("h2", "h3"):
        world.act(hosts[0], lambda serf, name=name: serf.probe(name, world.now))  # type: ignore[misc]
    world.run(0.1)
    for name in ("h2", "h3"):
        last = hosts[0].members()[name].last_ack_at
        assert last is not None and last >= asked_at
    assert hosts[0].serf.probe("nobody", world.now) is False


def test_joining_is_told_once() -> None:
    _, hosts = settled()
    for host in hosts:
        for other in hosts:
            if other is not host:
                assert len(host.told(MemberJoined, other.settings.name)) == 1


def test_idle_member_costs_little() -> None:
    world, hosts = settled()
    world.run(60)
    packets, timers = world.packets_sent, world.timers_handled
    world.run(100)
    # Its probe and the ack it owes: 2 packets a second, as measured on serf agents.
    assert (world.packets_sent - packets) / 100 / len(hosts) == pytest.approx(2.0, abs=0.1)
    assert (world.timers_handled - timers) / 100 / len(hosts) < 1.5
