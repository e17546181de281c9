"""What the judge concludes, when, and whom it asks first."""

import pytest

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.events import AskHost, AskWitnesses
from ceilo_gossip.health.judge import MAX_HOSTS
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.health.sighting import HostFacts, Presence, Sighting
from tests.support.judging import DOWN, EVERYWHERE, OTHERS, UNKNOWN, UP, World

MANAGEMENT, STORAGE, TUNNEL = {Network.MANAGEMENT}, {Network.STORAGE}, {Network.TUNNEL}


def test_power_cut_is_one_verdict_though_pools_give_the_host_up_one_after_the_other() -> None:
    world = World()
    suspected_at = world.now
    world.see("cmp-1", EVERYWHERE, Presence.SUSPECT)
    world.pass_time(4.0)
    for network in Network:
        world.see("cmp-1", {network}, Presence.DEAD, suspected_at=suspected_at)
        world.pass_time(0.7)
    verdicts = world.verdicts("cmp-1")
    assert [v.down for v in verdicts] == [EVERYWHERE]
    assert verdicts[0].first_suspicion_at == suspected_at
    assert verdicts[0].since == suspected_at
    assert verdicts[0].concluded_at > suspected_at + 4.0


def test_storage_loss_is_concluded_once_the_witnesses_answer_and_the_host_does_not() -> None:
    world = World()
    world.see("cmp-1", STORAGE, Presence.SUSPECT)
    world.pass_time(4.0)
    world.take()
    world.now += 0.01
    world.see("cmp-1", STORAGE, Presence.DEAD, suspected_at=world.now - 4.0)
    assert {AskWitnesses(Network.STORAGE), AskHost(Network.STORAGE, "cmp-1")} <= set(world.take())
    world.answer(STORAGE)
    assert world.states("cmp-1") == (UP, UP, UP)
    assert world.judge.get_timer() == world.now + 0.5  # The answer grace.
    world.pass_time(0.5)
    assert world.states("cmp-1") == (UP, DOWN, UP)
    assert world.judge.conclusions()["cmp-1"].reason == (
        "storage DOWN: no answer for 4.5 s, while 2 of 3 witnesses answer"
    )


def test_healthy_host_that_a_returning_member_gave_up_is_never_called_down() -> None:
    """A member back from a partition spreads the deaths it concluded there; the accused answers us at once."""
    world = World()
    world.see("cmp-2", MANAGEMENT, Presence.DEAD)
    world.answer(MANAGEMENT, ("ctl-2", "ctl-3", "cmp-2"))
    world.pass_time(0.2)
    world.see("cmp-2", MANAGEMENT, Presence.ALIVE)
    world.pass_time(5.0)
    assert all(not conclusion.is_bad for conclusion in world.verdicts("cmp-2"))


def test_first_loss_waits_for_a_doubted_network_no_longer_than_settle_max() -> None:
    world = World(settle_max=3.0)
    world.see("cmp-1", TUNNEL, Presence.SUSPECT)
    world.see("cmp-1", STORAGE, Presence.SUSPECT)
    world.pass_time(4.0)
    world.see("cmp-1", STORAGE, Presence.DEAD, suspected_at=world.now - 4.0)
    world.pass_time(2.5)
    assert world.states("cmp-1") == (UP, UP, UP)
    world.pass_time(1.0)
    assert world.states("cmp-1") == (UP, DOWN, UP)


def test_doubted_network_that_answers_again_ends_the_wait() -> None:
    world = World(settle_max=3.0)
    world.see("cmp-1", STORAGE | TUNNEL, Presence.SUSPECT)
    world.pass_time(4.0)
    world.see("cmp-1", STORAGE, Presence.DEAD, suspected_at=world.now - 4.0)
    world.pass_time(0.5)
    assert world.states("cmp-1") == (UP, UP, UP)
    world.see("cmp-1", TUNNEL, Presence.ALIVE)
    assert world.states("cmp-1") == (UP, DOWN, UP)


def test_half_a_return_waits_for_the_other_networks_and_a_whole_one_does_not() -> None:
    world = World(settle_max=3.0)
    world.kill("cmp-1")
    world.take()
    for network in Network:
        world.see("cmp-1", {network}, Presence.ALIVE)
        world.pass_time(0.5)
    assert [v.down for v in world.verdicts("cmp-1")] == [frozenset()]


def test_half_a_return_that_stays_half_is_told_after_settle_max() -> None:
    world = World(settle_max=3.0)
    world.kill("cmp-1")
    world.see("cmp-1", MANAGEMENT, Presence.ALIVE)
    world.pass_time(2.5)
    assert world.states("cmp-1") == (DOWN, DOWN, DOWN)
    world.pass_time(1.0)
    assert world.states("cmp-1") == (UP, DOWN, DOWN)


def test_doubt_alone_changes_no_verdict() -> None:
    world = World()
    world.see("cmp-1", EVERYWHERE, Presence.SUSPECT)
    world.pass_time(60.0, step=1.0)
    assert world.verdicts("cmp-1") == []
    assert world.judge.is_suspect("cmp-1", Network.STORAGE)


def test_host_doubted_on_one_network_is_asked_on_the_others() -> None:
    world = World()
    world.see("cmp-1", STORAGE, Presence.SUSPECT)
    assert world.asked_hosts() == {(Network.MANAGEMENT, "cmp-1"), (Network.TUNNEL, "cmp-1")}


def test_host_that_answers_us_is_not_down_though_the_pool_gave_it_up() -> None:
    world = World()
    world.see("cmp-1", STORAGE, Presence.DEAD, suspected_at=world.now)
    world.judge.handle_answer(Network.STORAGE, "cmp-1", asked_at=world.now, now=world.now)
    world.pass_time(10.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)


def test_lost_quorum_makes_a_down_host_unknown_and_regained_quorum_makes_it_down_again() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.deaf.add(Network.STORAGE)
    world.see("cmp-2", STORAGE, Presence.SUSPECT)
    world.pass_time(7.0)
    assert world.judge.phase(Network.STORAGE) is QuorumPhase.LOST
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)
    assert world.states("cmp-3") == (UP, UNKNOWN, UP)
    world.deaf.clear()
    world.see("cmp-2", STORAGE, Presence.ALIVE)
    world.pass_time(2.0)
    assert world.states("cmp-1") == (UP, DOWN, UP)
    assert world.states("cmp-3") == (UP, UP, UP)


def test_watched_quorum_is_lost_without_anybody_being_doubted() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.judge.watch({Network.STORAGE}, world.now)
    world.deaf.add(Network.STORAGE)
    world.pass_time(7.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)


def test_witnesses_are_left_alone_while_nobody_is_doubted() -> None:
    world = World()
    world.kill("cmp-1")
    world.take()
    world.pass_time(120.0, step=1.0)
    assert world.take() == []
    assert world.judge.get_timer() is None


def test_what_a_pool_says_about_this_host_itself_is_ignored() -> None:
    world = World()
    world.see("ctl-1", EVERYWHERE, Presence.DEAD, suspected_at=world.now)
    world.pass_time(5.0)
    assert "ctl-1" not in world.judge.conclusions()


def test_each_conclusion_has_an_id_of_its_own() -> None:
    world = World()
    world.kill("cmp-1")
    world.see("cmp-1", EVERYWHERE, Presence.ALIVE)
    world.kill("cmp-1")
    ids = [v.verdict_id for v in world.verdicts("cmp-1")]
    assert len(ids) == len(set(ids)) >= 3


def test_names_beyond_the_limit_are_ignored_and_counted() -> None:
    world = World(populate=False)
    for number in range(MAX_HOSTS + 3):
        world.see(f"h{number}", MANAGEMENT, Presence.LEFT, facts=HostFacts())
    assert len(world.judge.conclusions()) == MAX_HOSTS
    assert world.judge.ignored_hosts == 3


def test_answer_for_someone_about_to_act_calls_a_doubted_host_unknown() -> None:
    world = World()
    world.see("cmp-1", STORAGE, Presence.SUSPECT)
    asked_at = world.now
    world.judge.ask_now(world.now)
    world.answer()
    found = world.judge.answer(asked_at=asked_at, now=world.now)
    assert [found["cmp-1"].networks[n] for n in Network] == [UP, UNKNOWN, UP]
    assert [found["cmp-2"].networks[n] for n in Network] == [UP, UP, UP]


def test_answer_without_fresh_witnesses_is_unknown_for_everybody() -> None:
    world = World()
    world.kill("cmp-1")
    world.now += 30.0
    found = world.judge.answer(asked_at=world.now, now=world.now)
    assert {state for c in found.values() for state in c.networks.values()} == {UNKNOWN}


def test_asking_now_asks_on_every_network_once() -> None:
    world = World()
    world.judge.ask_now(world.now)
    assert sorted(e.network for e in world.take() if isinstance(e, AskWitnesses)) == sorted(Network)


def test_candidates_are_alive_on_every_network() -> None:
    world = World()
    world.kill("cmp-1", TUNNEL)
    assert world.judge.candidates() == {"ctl-1", *OTHERS} - {"cmp-1"}


def test_host_that_lost_its_quorum_somewhere_is_no_candidate() -> None:
    world = World()
    world.deaf.add(Network.STORAGE)
    world.see("cmp-2", STORAGE, Presence.SUSPECT)
    world.pass_time(6.0)
    assert "ctl-1" not in world.judge.candidates()


def test_outage_of_a_whole_network_leaves_candidates_to_tell_of_other_deaths() -> None:
    world = World()
    world.deaf.add(Network.STORAGE)
    for host in OTHERS:
        world.see(host, STORAGE, Presence.DEAD, suspected_at=world.now)
    world.pass_time(6.0)
    assert world.judge.candidates() == {"ctl-1", *OTHERS}
    world.kill("cmp-1", MANAGEMENT | TUNNEL)
    assert world.states("cmp-1") == (DOWN, UNKNOWN, DOWN)


def test_accused_host_is_asked_with_the_witnesses_before_anybody_acts() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.take()

    asked_at = world.now
    world.judge.ask_now(asked_at, ["cmp-1"])

    assert world.asked_hosts() == {(Network.STORAGE, "cmp-1")}
    world.answer(EVERYWHERE, ("ctl-2", "ctl-3", "cmp-1"))
    fresh = world.judge.answer(asked_at=asked_at, now=world.now)["cmp-1"]
    assert fresh.networks[Network.STORAGE] is UNKNOWN


def test_answer_of_a_host_that_was_given_up_speaks_for_it_for_a_while_only() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.answer(STORAGE, ("cmp-1",))
    world.pass_time(1.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)

    world.pass_time(12.0)

    assert world.states("cmp-1") == (UP, DOWN, UP)


def test_roster_holds_who_said_where_it_is_and_did_not_leave() -> None:
    world = World()
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.kill("cmp-2")
    assert set(world.judge.facts()) == set(OTHERS) - {"cmp-1"}


def test_facts_missing_from_a_later_sighting_are_kept() -> None:
    world = World()
    world.see("cmp-1", STORAGE, Presence.ALIVE, facts=HostFacts(role="compute", boot_id="b", networks=EVERYWHERE))
    world.see("cmp-1", STORAGE, Presence.DEAD, facts=HostFacts(), suspected_at=world.now)
    world.pass_time(1.0)
    assert world.judge.conclusions()["cmp-1"].facts.boot_id == "b"


def test_living_member_cannot_be_under_suspicion() -> None:
    with pytest.raises(ValueError, match="alive and under suspicion"):
        Sighting(host="h", network=Network.STORAGE, presence=Presence.ALIVE, changed_at=1.0, suspected_at=1.0)
