"""SIGKILL at every boundary of every effect: the next engine finishes, and no instance is asked for twice."""

from pathlib import Path

import pytest

from remediation.incident.states import State
from tests.support.world import LEASE, Killed, World


def make_world(directory: Path, template: Path) -> World:
    """Return a world with a dead host of three instances, one of them off."""
    directory.mkdir()
    world = World(directory, template=template)
    for name, status in (("vm-1", "ACTIVE"), ("vm-2", "ACTIVE"), ("vm-off", "SHUTOFF")):
        world.compute.add_instance(name, "cmp-1", status=status)
    world.break_host("cmp-1")
    return world


def check(world: World, incident_id: str, place: str) -> None:
    assert world.state(incident_id) is State.RECOVERED, f"killed {place}: {world.store.get_incident(incident_id)}"
    assert sorted(world.compute.evacuated) == ["vm-1", "vm-2", "vm-off"], f"killed {place}"
    assert not world.compute.broken_promises, f"killed {place}"
    assert not world.compute.wedged, f"killed {place}"
    assert world.compute.instances["vm-off"].status == "SHUTOFF", f"killed {place}"
    incident = world.store.get_incident(incident_id)
    assert incident.evidence is not None


def count_boundaries(tmp_path: Path, template: Path) -> int:
    world = make_world(tmp_path / "whole", template)
    incident_id = world.call("cmp-1")
    world.run_until(State.RECOVERED, incident_id)
    assert len(world.killer.places) > 30, "the boundaries are counted"
    assert {"before evacuate", "after fence", "before force_down", "after save"} <= set(world.killer.places)
    return world.killer.passed


@pytest.mark.parametrize(("heir", "every"), [("ctl-1/db", 1), ("ctl-2/db", 7)])
def test_engine_killed_at_any_boundary_is_continued_by_the_next(
    tmp_path: Path, template: Path, heir: str, every: int
) -> None:
    """The heir is the same engine restarted, at every boundary, or another one that waits for the lease."""
    for boundary in range(1, count_boundaries(tmp_path, template) + 1, every):
        world = make_world(tmp_path / f"{boundary}", template)
        incident_id = world.call("cmp-1")
        world.killer.kill_at = boundary
        with pytest.raises(Killed) as killed:
            world.run(60.0)
        world.start_engine(heir)
        world.run(LEASE + 90.0, until=lambda w=world, i=incident_id: w.state(i) is State.RECOVERED, step=0.5)
        check(world, incident_id, str(killed.value))


def test_instance_that_somebody_else_evacuates_between_two_engines_is_not_asked_for_again(
    tmp_path: Path, template: Path
) -> None:
    """The engine dies once the plan is stored; an operator evacuates one instance by hand before the next begins."""
    whole = make_world(tmp_path / "whole", template)
    whole.run_until(State.RECOVERED, whole.call("cmp-1"))
    # Its intents are stored right before the first call.
    first_call = whole.killer.places.index("before evacuate")
    world = make_world(tmp_path / "killed", template)
    incident_id = world.call("cmp-1")
    world.killer.kill_at = first_call - 1  # Counted from one: before the intents.
    with pytest.raises(Killed, match="before save"):
        world.run(60.0)
    assert world.state(incident_id) is State.EVACUATING
    world.start_engine()
    world.compute.evacuate("vm-1")
    world.run_until(State.RECOVERED, incident_id)
    assert world.compute.evacuated.count("vm-1") == 1
    assert not world.compute.wedged


def test_other_engine_waits_for_the_whole_lease_before_it_takes_over(tmp_path: Path, template: Path) -> None:
    world = make_world(tmp_path / "lease", template)
    incident_id = world.call("cmp-1")
    world.killer.kill_at = count_boundaries(tmp_path, template) // 2
    with pytest.raises(Killed):
        world.run(60.0)
    changes = len(world.compute.calls)
    world.start_engine("ctl-2/db")
    world.run(LEASE - 1.0)
    assert len(world.compute.calls) == changes
    world.run_until(State.RECOVERED, incident_id)


def test_engine_that_lost_its_lease_does_not_act(tmp_path: Path, template: Path) -> None:
    """It was stopped for longer than a lease, between confirming and fencing, while another one took over."""
    world = make_world(tmp_path / "paused", template)
    incident_id = world.call("cmp-1")
    first = world.engine
    world.agents.silent.update({"ctl-2", "ctl-3"})
    world.run_until(State.HELD, incident_id)
    world.start_engine("ctl-2/db")
    world.run(LEASE + 1.0)
    fenced = len(world.driver.calls)
    world.agents.silent.clear()
    first.poll()
    assert len(world.driver.calls) == fenced
    assert world.state(incident_id) is State.HELD
    world.run_until(State.RECOVERED, incident_id)


def test_clean_stop_leaves_the_incident_to_another_engine_at_once(tmp_path: Path, template: Path) -> None:
    world = make_world(tmp_path / "stopped", template)
    incident_id = world.call("cmp-1")
    world.agents.silent.update({"ctl-2", "ctl-3"})
    world.run_until(State.HELD, incident_id)
    world.engine.stop()
    world.agents.silent.clear()
    world.start_engine("ctl-2/db")
    world.run_until(State.RECOVERED, incident_id, seconds=10.0)
