"""What is done to hosts that must not be fenced: told, disabled, drained, watched, and given back."""

from ceilo_gossip.contract.networks import Network
from remediation.evacuation.errors import EvacuationError
from remediation.evacuation.errors import Stage as Verb
from remediation.incident.states import State
from remediation.incident.timeline import Stage
from tests.support.world import ALL, World

MANAGEMENT = frozenset({Network.MANAGEMENT})
TUNNEL = frozenset({Network.TUNNEL})
NOTHING: frozenset[Network] = frozenset()


def test_host_without_management_is_disabled_and_its_instances_are_left_alone(world: World) -> None:
    world.compute.add_instance("vm-1", "cmp-1")
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.run(60.0)
    assert not world.compute.services["cmp-1"].is_enabled
    assert incident_id in world.compute.services["cmp-1"].disabled_reason
    assert world.compute.calls == [("disable", "cmp-1")]
    assert world.driver.calls == []


def test_host_that_is_well_again_for_a_while_is_enabled(world: World) -> None:
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.break_host("cmp-1", NOTHING)
    world.run(world.limits.well_for)
    assert not world.compute.services["cmp-1"].is_enabled
    world.run_until(State.RECOVERED, incident_id, seconds=20.0)
    assert world.compute.services["cmp-1"].is_enabled
    assert Stage.SCHEDULING_ENABLED in world.stages(incident_id)
    assert not world.store.get_incident(incident_id).is_open


def test_host_that_flaps_is_not_enabled(world: World) -> None:
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    for _ in range(6):
        world.break_host("cmp-1", NOTHING)
        world.run(world.limits.watch_interval)
        world.break_host("cmp-1", MANAGEMENT)
        world.run(world.limits.watch_interval)
    assert not world.compute.services["cmp-1"].is_enabled


def test_host_that_an_operator_disabled_before_stays_disabled(world: World) -> None:
    world.compute.disable("cmp-1", "new memory comes on Tuesday")
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.break_host("cmp-1", NOTHING)
    incident = world.run_until(State.RECOVERED, incident_id)
    assert world.compute.services["cmp-1"].disabled_reason == "new memory comes on Tuesday"
    assert "somebody else" in incident.reason


def test_engine_that_takes_a_disabled_host_over_still_enables_it(world: World) -> None:
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.start_engine()
    world.break_host("cmp-1", NOTHING)
    world.run_until(State.RECOVERED, incident_id)
    assert world.compute.services["cmp-1"].is_enabled


def test_watched_host_that_gets_worse_is_fenced_and_evacuated(world: World) -> None:
    world.compute.add_instance("vm-1", "cmp-1")
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.break_host("cmp-1", ALL)
    world.run_until(State.RECOVERED, incident_id, seconds=15.0)
    assert world.compute.evacuated == ["vm-1"]
    assert not world.compute.broken_promises


def test_blind_agents_take_nothing_back_and_do_nothing_more(world: World) -> None:
    world.break_host("cmp-1", MANAGEMENT)
    incident_id = world.call("cmp-1", MANAGEMENT)
    world.run_until(State.WATCHING, incident_id)
    world.agents.blind.update(world.agents.electorate)
    world.run(60.0)
    assert world.state(incident_id) is State.WATCHING
    assert not world.compute.services["cmp-1"].is_enabled
    assert world.driver.calls == []


def test_host_without_tunnel_is_drained_after_its_settle_time(world: World) -> None:
    for number in range(3):
        world.compute.add_instance(f"vm-{number}", "cmp-1")
    world.compute.add_instance("vm-off", "cmp-1", status="SHUTOFF")
    world.break_host("cmp-1", TUNNEL)
    incident_id = world.call("cmp-1", TUNNEL)
    world.run(59.0)
    assert world.compute.calls == []
    incident = world.run_until(State.WATCHING, incident_id)
    assert [one.id for one in world.compute.list_instances("cmp-1")] == ["vm-off"]
    assert "vm-off" in incident.reason
    assert not world.compute.services["cmp-1"].is_enabled
    assert world.driver.calls == []


def test_refused_live_migrations_are_bounded_and_told(world: World) -> None:
    world.compute.add_instance("vm-1", "cmp-1")
    refusals = [
        EvacuationError("no valid host", stage=Verb.LIVE_MIGRATE, server="vm-1", is_retriable=False) for _ in range(9)
    ]
    world.compute.faults[Verb.LIVE_MIGRATE] = refusals
    world.break_host("cmp-1", TUNNEL)
    incident = world.run_until(State.WATCHING, world.call("cmp-1", TUNNEL))
    assert "stayed on the host: vm-1 (ACTIVE)" in incident.reason
    assert len(refusals) == 6


def test_host_that_is_drained_and_dies_is_evacuated(world: World) -> None:
    world.compute.full_hosts.update(world.hosts)
    world.compute.add_instance("vm-1", "cmp-1")
    world.break_host("cmp-1", TUNNEL)
    incident_id = world.call("cmp-1", TUNNEL)
    world.run_until(State.WATCHING, incident_id)
    world.compute.full_hosts.clear()
    world.break_host("cmp-1", ALL)
    world.run_until(State.RECOVERED, incident_id)
    assert not world.compute.broken_promises


def test_host_that_is_no_compute_host_is_told_about_and_never_touched(world: World) -> None:
    world.break_host("ctl-2")
    incident_id = world.call("ctl-2")
    incident = world.run_until(State.WATCHING, incident_id)
    assert "never fenced" in incident.reason
    world.run(60.0)
    assert world.driver.calls == []
    assert world.compute.calls == []
    assert world.stages(incident_id).count(Stage.ALERT) == 1
    world.break_host("ctl-2", NOTHING)
    world.run_until(State.RECOVERED, incident_id)


def test_engine_does_not_fence_its_own_host(world: World) -> None:
    world.start_engine(own_host="cmp-1")
    world.break_host("cmp-1")
    incident = world.run_until(State.ESCALATED, world.call("cmp-1"))
    world.store.approve(incident.incident_id, at="2026-01-31T12:00:00+00:00", by="ada")
    world.run(30.0)
    assert world.driver.calls == []
