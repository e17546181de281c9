"""Several hosts at once: one failure each, or one failure of what they share."""

from ceilo_gossip.contract.networks import Network
from remediation.fencing.driver import PowerState
from remediation.fencing.fake import no_answer
from remediation.incident.states import State
from tests.support.world import World

STORAGE = frozenset({Network.STORAGE})


def test_storage_outage_of_many_hosts_fences_none(world: World) -> None:
    ids = []
    for host in world.hosts:
        world.break_host(host, STORAGE)
        ids.append(world.call(host, STORAGE))
    world.run(180.0, step=1.0)
    assert world.driver.calls == []
    assert {world.state(incident_id) for incident_id in ids} == {State.HELD}
    assert "looks like a switch or a storage outage" in world.store.get_incident(ids[0]).reason


def test_held_storm_ends_when_the_storage_is_back(world: World) -> None:
    ids = []
    for host in world.hosts:
        world.break_host(host, STORAGE)
        ids.append(world.call(host, STORAGE))
    world.run(60.0, step=1.0)
    world.agents.lost.clear()
    world.run(30.0, step=1.0)
    assert {world.state(incident_id) for incident_id in ids} == {State.DISMISSED}


def test_approved_host_of_a_storm_is_fenced_alone(world: World) -> None:
    ids = {}
    for host in world.hosts[:3]:
        world.break_host(host, STORAGE)
        ids[host] = world.call(host, STORAGE)
    world.run(60.0, step=1.0)
    world.store.approve(ids["cmp-2"], at="2026-01-31T12:00:00+00:00", by="ada")
    world.run_until(State.RECOVERED, ids["cmp-2"])
    assert world.driver.power == {"cmp-2": PowerState.OFF}
    assert "approved by ada" in [entry.text for entry in world.store.timeline(ids["cmp-2"])]


def test_host_that_could_not_be_fenced_at_once_is_held_when_a_storm_begins_meanwhile(world: World) -> None:
    world.driver.faults["cmp-1"] = [no_answer("cmp-1")] * 4  # Until its look is old.
    world.break_host("cmp-1")
    incident_id = world.call("cmp-1")
    world.run_until(State.FENCING, incident_id)
    for host in world.hosts[1:]:
        world.break_host(host, STORAGE)
        world.call(host, STORAGE)
    world.run(60.0, step=1.0)
    assert world.state(incident_id) is State.HELD
    assert "cmp-1" not in world.driver.power


def test_other_row_than_the_one_chosen_settles_before_the_host_is_fenced(world: World) -> None:
    world.driver.faults["cmp-1"] = [no_answer("cmp-1")] * 4  # Until its look is old.
    world.break_host("cmp-1")
    incident_id = world.call("cmp-1")
    world.run_until(State.FENCING, incident_id)
    world.break_host("cmp-1", STORAGE)
    world.run(25.0)
    assert "cmp-1" not in world.driver.power
    assert world.run_until(State.RECOVERED, incident_id, seconds=15.0).row == "storage-lost"


def test_two_hosts_that_die_together_are_both_recovered(world: World) -> None:
    for host in ("cmp-1", "cmp-2"):
        world.compute.add_instance(f"vm-of-{host}", host)
        world.break_host(host)
    ids = [world.call(host) for host in ("cmp-1", "cmp-2")]
    for incident_id in ids:
        world.run_until(State.RECOVERED, incident_id)
    assert not world.compute.broken_promises


def test_networks_that_a_host_loses_because_we_fenced_it_make_no_storm(world: World) -> None:
    first = [world.call(host, STORAGE) for host in ("cmp-1", "cmp-2") if world.break_host(host, STORAGE) is None]
    for incident_id, host in zip(first, ("cmp-1", "cmp-2"), strict=True):
        world.run_until(State.RECOVERED, incident_id)
        world.break_host(host)  # It is off now.
        world.call(host)
    world.break_host("cmp-3", frozenset({Network.TUNNEL, Network.MANAGEMENT, Network.STORAGE}))
    world.run(61.0, step=1.0)
    world.run_until(State.RECOVERED, world.call("cmp-3"), seconds=10.0)


def test_hosts_that_were_recovered_long_ago_make_no_storm_after_a_restart(world: World) -> None:
    for host in ("cmp-1", "cmp-2"):
        world.break_host(host)
        world.run_until(State.RECOVERED, world.call(host))
    world.run(120.0, step=1.0)
    world.start_engine()
    world.break_host("cmp-3")
    world.run_until(State.RECOVERED, world.call("cmp-3"), seconds=10.0)


def test_incident_that_a_person_closes_is_left_alone(world: World) -> None:
    world.break_host("cmp-1", STORAGE)
    incident_id = world.call("cmp-1", STORAGE)
    world.run(5.0)
    world.store.close(incident_id, at="2026-01-31T12:00:00+00:00", by="ada")
    world.run_until(State.CLOSED, incident_id, seconds=1.0)
    world.run(60.0)
    assert world.driver.calls == []
