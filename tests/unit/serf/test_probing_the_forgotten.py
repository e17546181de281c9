"""A member that was dead for so long that SWIM lists it no more can still be asked: whoever accuses it must be able."""

from tests.support.gossip_world import GossipWorld


def test_failed_member_that_swim_has_forgotten_answers_a_probe() -> None:
    world = GossipWorld()
    first, _, third = world.start_pool(3)
    world.run(5.0)
    world.isolate(third)
    # Longer than the dead are listed (30 s) and than a pass over the table.
    world.run(60.0)
    first.serf.take_answers()
    world.heal()

    world.act(first, lambda serf: serf.probe(third.settings.name, world.now))
    world.run(0.1)

    assert first.serf.take_answers().get(third.settings.name, 0.0) >= world.now - 0.2


def test_stranger_cannot_be_asked() -> None:
    world = GossipWorld()
    first, _ = world.start_pool(2)
    world.run(5.0)

    assert not first.serf.probe("nobody", world.now)
    assert not first.serf.probe(first.settings.name, world.now)
