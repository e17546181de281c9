"""A host holds its lease exactly as long as a majority's fresh heartbeats do not revoke it."""

import dataclasses

import pytest

from ceilo_gossip.contract.deadlines import DRIFT
from ceilo_gossip.contract.electorate import Electorate
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.lease.heartbeat import Heartbeat, make_heartbeat
from ceilo_gossip.lease.lease import MAX_BOOTS, ROUND_TRIP_INTERVAL, ROUND_TRIP_RETRY, LeaseKeeper, LeaseSettings

ELECTORATE = Electorate.of(["ctl-1", "ctl-2", "ctl-3"])
L = 8.0
BOOT = bytes(16)
# Each witness's clock, minus ours: they share nothing.
OFFSETS = {"ctl-1": 5000.0, "ctl-2": 17.0, "ctl-3": 123456.0}
MANAGEMENT, STORAGE = Network.MANAGEMENT, Network.STORAGE


def keeper(**changes: object) -> LeaseKeeper:
    settings = LeaseSettings(host="cmp-1", electorate=ELECTORATE, duration=L)
    return LeaseKeeper(dataclasses.replace(settings, **changes))  # type: ignore[arg-type]


def beat(witness: str, at: float, *, revoked: tuple[str, ...] = (), boot: bytes = BOOT) -> Heartbeat:
    """A heartbeat issued at our time `at`."""
    return make_heartbeat(witness, boot, clock=at + OFFSETS[witness], electorates=(ELECTORATE.id,), revoked=revoked)


def meet(lease: LeaseKeeper, now: float, *witnesses: str, round_trip: float = 0.0) -> None:
    """Ask the clocks of these witnesses, and hear from each."""
    for witness in witnesses:
        lease.handle_round_trip(witness, BOOT, shown=now + OFFSETS[witness], asked_at=now - round_trip, now=now)
        lease.handle_heartbeat(MANAGEMENT, beat(witness, now), now)


def test_nobody_holds_a_lease_who_has_heard_nothing() -> None:
    assert keeper().until(100.0) is None


def test_majority_is_enough_and_the_lease_ends_when_it_grows_old() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1")
    assert lease.until(100.0) is None
    meet(lease, 101.0, "ctl-2")
    until = lease.until(101.0)
    assert until is not None and 100.0 + L * (1 - 2 * DRIFT) <= until <= 100.0 + L
    assert lease.until(until) is None


def test_lease_lasts_as_long_as_the_majority_that_was_heard_last() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2", "ctl-3")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-2", 104.0), 104.0)
    lease.handle_heartbeat(STORAGE, beat("ctl-3", 106.0), 106.0)
    until = lease.until(106.0)
    assert until == pytest.approx(104.0 + L, abs=0.05)


def test_heartbeat_that_was_held_up_on_the_way_is_as_old_as_it_is() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 101.0), 500.0)
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-2", 101.0), 500.0)
    assert lease.until(500.0) is None


def test_slow_round_trip_makes_heartbeats_look_older_and_never_younger() -> None:
    exact, slow = keeper(), keeper()
    meet(exact, 100.0, "ctl-1", "ctl-2")
    meet(slow, 100.0, "ctl-1", "ctl-2", round_trip=3.0)
    first, second = exact.until(100.0), slow.until(100.0)
    assert first is not None and second is not None
    assert second == pytest.approx(first - 3.0, abs=0.02)


def test_better_round_trip_replaces_a_slow_one_and_a_worse_one_does_not() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2", round_trip=3.0)
    meet(lease, 101.0, "ctl-1", "ctl-2")
    best = lease.until(101.0)
    for witness in ("ctl-1", "ctl-2"):
        lease.handle_round_trip(witness, BOOT, shown=102.0 + OFFSETS[witness], asked_at=97.0, now=102.0)
    assert lease.until(102.0) == best


def test_witness_whose_clock_is_not_known_counts_for_nothing() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-2", 100.0), 100.0)
    assert lease.until(100.0) is None
    assert lease.take_questions(100.0) == ["ctl-2"]


def test_rebooted_witness_counts_only_once_its_new_clock_is_known() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    reborn = dataclasses.replace(beat("ctl-2", 109.0), boot_id=b"\1" * 16, issued_us=5_000_000)
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 109.0), 109.0)
    lease.handle_heartbeat(MANAGEMENT, reborn, 109.0)
    assert lease.until(109.0) is None
    lease.handle_round_trip("ctl-2", b"\1" * 16, shown=5.0, asked_at=109.0, now=109.1)
    assert lease.until(109.1) is not None


def test_clock_is_asked_for_until_it_is_known_and_again_after_a_while() -> None:
    lease = keeper()
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 100.0), 100.0)
    assert lease.take_questions(100.0) == ["ctl-1"]
    assert lease.take_questions(100.5) == []
    assert lease.take_questions(100.0 + ROUND_TRIP_RETRY) == ["ctl-1"]
    lease.handle_round_trip("ctl-1", BOOT, shown=102.0 + OFFSETS["ctl-1"], asked_at=102.0, now=102.0)
    assert lease.take_questions(103.0) == []
    assert lease.take_questions(102.0 + ROUND_TRIP_INTERVAL) == ["ctl-1"]


def test_newest_heartbeat_that_revokes_counts_against_us_at_once() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 101.0, revoked=("cmp-1",)), 101.0)
    assert lease.until(101.0) is None
    assert lease.revoking_witnesses(101.0) == ["ctl-1"]
    lease.handle_heartbeat(STORAGE, beat("ctl-1", 100.5), 101.1)
    assert lease.until(101.1) is None, "an older one does not undo it"


def test_minority_that_revokes_takes_no_lease_away() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2", "ctl-3")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 101.0, revoked=("cmp-1",)), 101.0)
    assert lease.until(101.0) is not None


def test_revocation_of_another_host_does_not_concern_us() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 101.0, revoked=("cmp-2",)), 101.0)
    assert lease.until(101.0) is not None


def test_strangers_and_other_electorates_are_no_witnesses() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1")
    other = Electorate.of(["ctl-1", "ctl-2", "ctl-9"]).id
    assert not lease.handle_heartbeat(
        MANAGEMENT, dataclasses.replace(beat("ctl-2", 100.0), electorates=(other,)), 100.0
    )
    stranger = dataclasses.replace(beat("ctl-2", 100.0), witness="cmp-2")
    assert not lease.handle_heartbeat(MANAGEMENT, stranger, 100.0)
    assert lease.until(100.0) is None


def test_heartbeat_from_the_future_lengthens_nothing_whether_it_came_before_the_clock_or_after() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    before = lease.until(100.0)
    assert not lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 900.0), 100.0)
    assert lease.until(100.0) == before
    early = keeper()
    early.handle_heartbeat(MANAGEMENT, beat("ctl-1", 900.0), 100.0)
    meet(early, 100.0, "ctl-2")
    early.handle_round_trip("ctl-1", BOOT, shown=100.0 + OFFSETS["ctl-1"], asked_at=100.0, now=100.0)
    assert early.until(100.0) is None


def test_wrong_signature_is_no_heartbeat() -> None:
    lease = LeaseKeeper(LeaseSettings(host="cmp-1", electorate=ELECTORATE, duration=L), verify=lambda heartbeat: False)
    meet(lease, 100.0, "ctl-1", "ctl-2", "ctl-3")
    assert lease.until(100.0) is None


def test_quorum_is_that_of_the_network_it_was_heard_on() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    assert lease.quorum_until(MANAGEMENT, 100.0) is not None
    assert lease.quorum_until(STORAGE, 100.0) is None
    lease.handle_heartbeat(STORAGE, beat("ctl-1", 103.0, revoked=("cmp-1",)), 103.0)
    lease.handle_heartbeat(STORAGE, beat("ctl-3", 103.0), 103.0)
    assert lease.quorum_until(STORAGE, 103.0) is None, "the clock of ctl-3 is not known"
    lease.handle_heartbeat(STORAGE, beat("ctl-2", 103.0), 103.0)
    assert lease.quorum_until(STORAGE, 103.0) == pytest.approx(103.0 + L, abs=0.05)


def test_same_heartbeat_is_news_once_on_each_network() -> None:
    lease = keeper()
    first = beat("ctl-1", 100.0)
    assert lease.handle_heartbeat(MANAGEMENT, first, 100.0)
    assert not lease.handle_heartbeat(MANAGEMENT, first, 100.1)
    assert lease.handle_heartbeat(STORAGE, first, 100.2)


def test_changes_are_told_with_their_reason() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    changes = []
    while (change := lease.next_event()) is not None:
        changes.append(change)
    assert changes[-1].until is not None
    assert lease.get_timer() == changes[-1].until
    lease.handle_timer(changes[-1].until)
    lost = lease.next_event()
    assert lost is not None and lost.until is None
    assert "of 3 witnesses were heard in the last 8 s" in lost.reason


def test_invented_boots_are_bounded_and_do_not_push_a_lease_out_for_good() -> None:
    lease = keeper()
    meet(lease, 100.0, "ctl-1", "ctl-2")
    for number in range(MAX_BOOTS + 3):
        lease.handle_heartbeat(MANAGEMENT, beat("ctl-1", 101.0, boot=bytes([number + 1]) * 16), 101.0)
    assert lease.counters["boots_forgotten"] > 0
    meet(lease, 102.0, "ctl-1")
    assert lease.until(102.0) is not None
