"""The faults of the nearest peer that must be impossible here; each test has the fault's name."""

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.health.sighting import HostFacts, Presence
from tests.support.judging import DOWN, EVERYWHERE, OTHERS, UNKNOWN, UP, World

STORAGE = {Network.STORAGE}


def test_fault_1_observer_that_lost_its_own_storage_card_reports_nobody() -> None:
    world = World()
    world.deaf.add(Network.STORAGE)
    for host in OTHERS:
        world.see(host, STORAGE, Presence.SUSPECT)
    world.pass_time(4.0)
    for host in OTHERS:
        world.see(host, STORAGE, Presence.DEAD, suspected_at=world.now - 4.0)
    world.pass_time(30.0)
    for host in OTHERS:
        assert world.states(host) == (UP, UNKNOWN, UP)
    assert not any(conclusion.is_bad for conclusion in world.judge.conclusions().values())


def test_fault_1_answers_from_before_the_card_broke_prove_nothing() -> None:
    world = World()
    world.pass_time(1.0)
    world.answer(witnesses=("ctl-2", "ctl-3"))
    world.deaf.add(Network.STORAGE)
    world.now += 0.1
    # A paused process finds suspicion and death at once when it wakes; the answers it holds are a moment old.
    world.see("cmp-1", STORAGE, Presence.DEAD, suspected_at=world.now)
    world.pass_time(20.0)
    assert world.states("cmp-1")[1] is UNKNOWN


def test_fault_1_observer_that_hears_again_does_not_report_whom_it_gave_up_while_it_was_deaf() -> None:
    world = World()
    world.deaf.add(Network.STORAGE)
    for host in OTHERS:
        world.see(host, STORAGE, Presence.SUSPECT)
    world.pass_time(4.0)
    for host in OTHERS:
        world.see(host, STORAGE, Presence.DEAD, suspected_at=world.now - 4.0)
    world.pass_time(30.0)
    world.take()

    world.deaf.clear()
    world.answer(STORAGE, ("ctl-2", "ctl-3"))

    assert world.states("cmp-1") == (UP, UNKNOWN, UP)
    assert (Network.STORAGE, "cmp-1") in world.asked_hosts()
    world.pass_time(0.25)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)
    world.answer(STORAGE, ("cmp-1",))
    world.pass_time(10.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)  # It answers us, though the pool gave it up.
    assert world.states("cmp-2") == (UP, DOWN, UP)  # It had its time to answer.


def test_fault_2_graceful_leave_is_never_down() -> None:
    world = World()
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-1") == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_fault_2_good_bye_that_reached_only_one_pool_counts_for_all() -> None:
    world = World()
    world.see("cmp-1", {Network.MANAGEMENT}, Presence.LEFT)
    world.pass_time(1.0)
    world.kill("cmp-1", {Network.STORAGE, Network.TUNNEL})
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-1") == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_fault_3_host_that_was_on_a_network_and_is_missing_from_its_pool_is_down_there() -> None:
    world = World(absence_grace=60.0)
    world.judge.handle_roster({"cmp-9": HostFacts(role="compute", networks=EVERYWHERE)}, world.now)
    world.see("cmp-9", {Network.MANAGEMENT, Network.TUNNEL}, Presence.ALIVE)
    assert world.states("cmp-9") == (UP, UNKNOWN, UP)
    world.pass_time(59.0, step=1.0)
    assert world.states("cmp-9") == (UP, UNKNOWN, UP)
    world.pass_time(3.0)
    assert world.states("cmp-9") == (UP, DOWN, UP)


def test_fault_3_host_that_nobody_ever_saw_on_a_network_is_unknown_there_and_never_down() -> None:
    """A wrong `join` or a closed port on a healthy host must not have it fenced."""
    world = World()
    world.see("cmp-9", {Network.MANAGEMENT, Network.TUNNEL}, Presence.ALIVE)
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-9") == (UP, UNKNOWN, UP)
    assert "never seen there" in world.judge.conclusions()["cmp-9"].reason
    assert world.judge.facts()["cmp-9"].networks == {Network.MANAGEMENT, Network.TUNNEL}


def test_fault_3_host_that_does_not_say_it_is_on_a_network_is_unknown_there() -> None:
    world = World()
    facts = HostFacts(role="compute", networks=frozenset({Network.MANAGEMENT, Network.TUNNEL}))
    world.see("cmp-9", {Network.MANAGEMENT, Network.TUNNEL}, Presence.ALIVE, facts=facts)
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-9") == (UP, UNKNOWN, UP)


def test_fault_3_host_missing_from_a_pool_that_nobody_is_in_is_unknown_there() -> None:
    world = World(populate=False)
    for host in ("ctl-2", "cmp-1"):
        world.see(host, {Network.MANAGEMENT, Network.TUNNEL}, Presence.ALIVE)
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)


def test_fault_3_host_that_left_and_came_back_without_its_storage_card_is_down_there() -> None:
    world = World()
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(30.0)
    world.see("cmp-1", {Network.MANAGEMENT, Network.TUNNEL}, Presence.ALIVE)
    world.pass_time(59.0, step=1.0)
    assert world.states("cmp-1") == (UP, UNKNOWN, UP)
    world.pass_time(3.0)
    assert world.states("cmp-1") == (UP, DOWN, UP)


def test_fault_4_host_already_down_at_start_is_reported() -> None:
    world = World(absence_grace=60.0)
    roster = {"cmp-8": HostFacts(role="compute", boot_id="b8", networks=EVERYWHERE)}
    world.judge.handle_roster(roster, world.now)
    world.pass_time(59.0, step=1.0)
    assert not world.judge.conclusions()["cmp-8"].is_bad
    world.pass_time(3.0)
    assert world.states("cmp-8") == (DOWN, DOWN, DOWN)
    assert world.judge.conclusions()["cmp-8"].facts.boot_id == "b8"


def test_fault_4_host_that_reaches_us_as_a_suspicion_is_not_up_and_then_down() -> None:
    world = World()
    world.see("cmp-8", EVERYWHERE, Presence.SUSPECT)
    assert world.states("cmp-8") == (UNKNOWN, UNKNOWN, UNKNOWN)
    world.pass_time(4.0)
    world.see("cmp-8", EVERYWHERE, Presence.DEAD, suspected_at=world.now - 4)
    world.pass_time(1.0)
    assert world.states("cmp-8") == (DOWN, DOWN, DOWN)


def test_fault_4_member_that_becomes_speaker_later_reports_a_host_that_is_down_already() -> None:
    world = World()
    world.kill("cmp-1")
    announcer = Announcer(AnnouncerSettings(own="ctl-1", speakers=1))
    for conclusion in world.judge.conclusions().values():
        announcer.handle_conclusion(conclusion, world.now)
    announcer.handle_candidates(world.judge.candidates(), world.now)
    told = announcer.next_event()
    if told is None:  # Another member speaks for cmp-1; it dies too, and with it everybody but us.
        announcer.handle_candidates({"ctl-1"}, world.now)
        told = announcer.next_event()
    assert told is not None and told.conclusion.host == "cmp-1" and told.repeat == 0
