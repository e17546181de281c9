"""Whatever the pools and the witnesses say, in whatever order, the judge keeps its rules."""

import dataclasses

import hypothesis
from hypothesis import strategies as st

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.events import Concluded
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.health.sighting import Presence
from tests.support.judging import DOWN, EVERYWHERE, OTHERS, UNKNOWN, UP, World

networks = st.sampled_from(Network)
hosts = st.sampled_from(OTHERS)


@dataclasses.dataclass(frozen=True)
class See:
    host: str
    network: Network
    presence: Presence


@dataclasses.dataclass(frozen=True)
class Wait:
    seconds: float


@dataclasses.dataclass(frozen=True)
class Hear:
    """Whether this host hears others on `network` from now on."""

    network: Network
    is_hearing: bool


Step = See | Wait | Hear
waits = st.builds(Wait, st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 6.0, 61.0]))
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.builds(See, hosts, networks, st.sampled_from(Presence)), waits, st.builds(Hear, networks, st.booleans())
    ),
    max_size=40,
)


def play(world: World, step: Step) -> None:
    match step:
        case See(host, network, presence):
            world.see(host, {network}, presence, suspected_at=world.now if presence is Presence.DEAD else None)
        case Wait(seconds):
            world.pass_time(seconds, step=0.5)
        case Hear(network, is_hearing):
            (world.deaf.discard if is_hearing else world.deaf.add)(network)


def concluded(world: World) -> list[Conclusion]:
    """Return every conclusion since the last time."""
    return [event.conclusion for event in world.take() if isinstance(event, Concluded)]


@hypothesis.given(steps)
def test_nobody_becomes_down_where_the_witnesses_have_not_answered_since(given: list[Step]) -> None:
    world = World()
    heard: dict[Network, float] = dict.fromkeys(Network, world.now)
    for step in given:
        play(world, step)
        for network in set(Network) - world.deaf:
            heard[network] = world.now
        for conclusion in concluded(world):
            for network in conclusion.down:
                silent_for = conclusion.concluded_at - heard[network]
                assert silent_for <= 5.0 + 3.0 + 0.5, f"{conclusion} was said {silent_for} s after we went deaf"


@hypothesis.given(steps)
def test_host_whose_last_word_anywhere_was_good_bye_is_not_down(given: list[Step]) -> None:
    world = World()
    for step in given:
        play(world, step)
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(200.0, step=2.0)
    assert DOWN not in world.states("cmp-1")


@hypothesis.given(steps)
def test_observer_that_hears_nobody_says_nothing_bad_for_long(given: list[Step]) -> None:
    world = World()
    world.deaf = set(Network)
    for host in OTHERS:
        world.see(host, EVERYWHERE, Presence.SUSPECT)
    world.pass_time(6.0)
    world.take()
    for step in given:
        if not isinstance(step, Hear):
            play(world, step)
    assert not any(conclusion.is_bad for conclusion in concluded(world))


@hypothesis.given(steps, st.sets(networks, min_size=1))
def test_dead_host_is_down_in_the_end_exactly_where_it_is_dead(given: list[Step], dead: set[Network]) -> None:
    world = World()
    for step in given:
        play(world, step)
    world.deaf.clear()
    for host in OTHERS:
        world.see(host, EVERYWHERE, Presence.ALIVE)
    world.pass_time(10.0)
    world.kill("cmp-1", dead)
    world.pass_time(10.0)
    assert world.states("cmp-1") == tuple(DOWN if network in dead else UP for network in Network)
    assert all(world.states(host) == (UP, UP, UP) for host in OTHERS if host != "cmp-1")


@hypothesis.given(steps)
def test_timer_is_never_due_after_it_was_handled(given: list[Step]) -> None:
    world = World()
    for step in given:
        play(world, step)
        world.judge.handle_timer(world.now)
        timer = world.judge.get_timer()
        assert timer is None or timer > world.now


@hypothesis.given(steps)
def test_everybody_is_unknown_on_a_network_without_quorum(given: list[Step]) -> None:
    world = World()
    for step in given:
        play(world, step)
        for network in Network:
            if world.judge.phase(network) is QuorumPhase.LOST:
                states = {c.networks[network] for c in world.judge.conclusions().values()}
                assert states <= {UNKNOWN}


@hypothesis.given(steps, st.sampled_from(["ctl-2", "cmp-1"]))
def test_witness_and_compute_host_keep_the_same_rules(given: list[Step], own: str) -> None:
    world = World(own=own)
    world.deaf = set(Network)
    for step in given:
        if not isinstance(step, Hear):
            play(world, step)
    # Alone a witness is one of three and a compute host none: neither is a majority.
    assert not any(conclusion.is_bad for conclusion in world.judge.conclusions().values())
