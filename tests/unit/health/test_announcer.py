"""Who tells what, and when."""

import pytest

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.health.speakers import speakers

UP, DOWN, UNKNOWN = NetworkState.UP, NetworkState.DOWN, NetworkState.UNKNOWN


def conclusion(*states: NetworkState, host: str = "cmp-1", verdict_id: str = "v") -> Conclusion:
    return Conclusion(
        host=host,
        verdict_id=verdict_id,
        networks=dict(zip(Network, states, strict=True)),
        since=1.0,
        first_suspicion_at=None,
        concluded_at=1.0,
        reason="because",
    )


def announcer(*, candidates: frozenset[str] = frozenset({"ctl-1"}), own: str = "ctl-1") -> Announcer:
    made = Announcer(AnnouncerSettings(own=own, speakers=1, repeat_interval=10.0))
    made.handle_candidates(candidates, 0.0)
    return made


def told(a: Announcer) -> list[tuple[str, int]]:
    found = []
    while (event := a.next_event()) is not None:
        found.append(("bad" if event.conclusion.is_bad else "good", event.repeat))
    return found


def test_bad_host_is_told_at_once_and_again_while_it_is_bad() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(UP, DOWN, UP), 1.0)
    assert (told(a), a.get_timer()) == ([("bad", 0)], 11.0)
    for now in (10.9, 11.0, 21.0):
        a.handle_timer(now)
    assert told(a) == [("bad", 1), ("bad", 2)]


def test_host_that_is_good_again_is_told_once() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(UP, DOWN, UP), 1.0)
    a.handle_conclusion(conclusion(UP, UP, UP), 2.0)
    a.handle_timer(60.0)
    assert told(a) == [("bad", 0), ("good", 0)]
    assert a.get_timer() is None


def test_healthy_host_is_not_talked_about() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(UNKNOWN, UNKNOWN, UNKNOWN), 1.0)
    a.handle_conclusion(conclusion(UP, UP, UP), 2.0)
    assert told(a) == []


def test_bad_host_that_becomes_unknown_is_neither_repeated_nor_called_good() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(UP, DOWN, UP), 1.0)
    a.handle_conclusion(conclusion(UP, UNKNOWN, UP), 2.0)
    a.handle_timer(60.0)
    assert told(a) == [("bad", 0)]
    a.handle_conclusion(conclusion(UP, UP, UP), 61.0)
    assert told(a) == [("good", 0)]


def test_another_loss_of_a_bad_host_is_a_change_and_starts_the_repeats_anew() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(UP, DOWN, UP), 1.0)
    a.handle_timer(11.0)
    a.handle_conclusion(conclusion(DOWN, DOWN, UP), 12.0)
    assert told(a) == [("bad", 0), ("bad", 1), ("bad", 0)]
    assert a.get_timer() == 22.0


def test_member_that_is_no_speaker_is_silent() -> None:
    a = announcer(candidates=frozenset({"ctl-2"}))
    a.handle_conclusion(conclusion(DOWN, DOWN, DOWN), 1.0)
    a.handle_timer(60.0)
    assert told(a) == []


def test_member_that_becomes_a_speaker_of_a_bad_host_tells_it_as_a_change() -> None:
    a = announcer(candidates=frozenset({"ctl-2"}))
    a.handle_conclusion(conclusion(DOWN, DOWN, DOWN), 1.0)
    a.handle_candidates({"ctl-1"}, 5.0)
    assert (told(a), a.get_timer()) == ([("bad", 0)], 15.0)


def test_member_that_is_no_speaker_any_more_stops() -> None:
    a = announcer()
    a.handle_conclusion(conclusion(DOWN, DOWN, DOWN), 1.0)
    a.handle_candidates({"ctl-2"}, 5.0)
    a.handle_timer(60.0)
    a.handle_conclusion(conclusion(UP, UP, UP), 61.0)
    assert told(a) == [("bad", 0)]


def test_networks_told_down_are_those_of_the_hosts_it_speaks_for() -> None:
    a = announcer()
    assert a.networks_told_down() == frozenset()
    a.handle_conclusion(conclusion(UP, DOWN, UP), 1.0)
    assert a.networks_told_down() == {Network.STORAGE}


def test_no_host_speaks_for_itself() -> None:
    assert speakers("a", ["a"], count=2) == ()
    assert "a" not in speakers("a", ["a", "b", "c"], count=3)


def test_every_member_finds_the_same_speakers() -> None:
    names = [f"cmp-{n}" for n in range(20)]
    assert speakers("cmp-3", names, count=2) == speakers("cmp-3", reversed(names), count=2)


def test_load_is_spread_over_the_members() -> None:
    names = [f"cmp-{n}" for n in range(20)]
    chosen = [name for host in names for name in speakers(host, names, count=2)]
    assert len(set(chosen)) >= 12  # Of twenty; one fixed speaker would be two.


def test_vector_that_lacks_a_network_cannot_exist() -> None:
    with pytest.raises(ValueError, match="one state for each network"):
        Conclusion(
            host="h",
            verdict_id="v",
            networks={Network.STORAGE: UP},
            since=0.0,
            first_suspicion_at=None,
            concluded_at=0.0,
            reason="",
        )
