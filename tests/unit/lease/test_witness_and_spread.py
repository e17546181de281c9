"""Witnesses revoke durably; heartbeats keep their form; electorates change one witness at a time."""

import itertools

import pytest

from ceilo_gossip.contract.deadlines import (
    MARGIN,
    DeathPromise,
    dead_after_acknowledged_query,
    dead_after_revocation,
    longest_blackout,
)
from ceilo_gossip.contract.electorate import Electorate
from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.lease.heartbeat import (
    MAX_REVOKED,
    decode_heartbeat,
    encode_heartbeat,
    host_digest,
    make_heartbeat,
)
from ceilo_gossip.lease.lease import LeaseSettings
from ceilo_gossip.lease.spread import MAX_WAITING, TRANSMISSIONS, Spread
from ceilo_gossip.lease.witness import Witness, WitnessRecord, WitnessRefused
from ceilo_gossip.wire.errors import WireError

ELECTORATE = Electorate.of(["ctl-1", "ctl-2", "ctl-3"])
BOOT = bytes(range(16))


def witness(*, exempt: frozenset[str] = frozenset(), **revoked: str) -> Witness:
    return Witness("ctl-1", BOOT, electorates=(ELECTORATE.id,), record=WitnessRecord(revoked, exempt))


def test_revocation_is_in_every_heartbeat_once_it_is_stored() -> None:
    one = witness()
    request = one.revoke("cmp-1", "i-1")
    assert dict(request.record.revoked) == {"cmp-1": "i-1"}
    one.stored(request)
    heartbeat = one.issue(10.0)
    assert heartbeat is not None and heartbeat.revokes("cmp-1") and not heartbeat.revokes("cmp-2")


def test_witness_that_starts_has_what_it_stored_in_its_first_heartbeat() -> None:
    heartbeat = witness(**{"cmp-1": "i-1"}).issue(10.0)
    assert heartbeat is not None and heartbeat.revokes("cmp-1")


def test_lifting_names_the_incident_and_an_old_one_lifts_nothing() -> None:
    one = witness(**{"cmp-1": "i-2"})
    one.stored(one.lift("cmp-1", "i-1"))
    assert dict(one.record.revoked) == {"cmp-1": "i-2"}
    one.stored(one.lift("cmp-1", "i-2"))
    assert dict(one.record.revoked) == {}


def test_stores_that_finish_out_of_order_lose_nothing() -> None:
    one = witness()
    first, second = one.revoke("cmp-1", "i-1"), one.revoke("cmp-2", "i-2")
    one.stored(second)
    one.stored(first)
    assert dict(one.record.revoked) == {"cmp-1": "i-1", "cmp-2": "i-2"}


def test_no_more_hosts_are_revoked_than_a_heartbeat_can_carry() -> None:
    one = witness()
    for number in range(MAX_REVOKED):
        one.stored(one.revoke(f"cmp-{number}", "i"))
    with pytest.raises(WitnessRefused, match="end their incidents"):
        one.revoke("cmp-one-more", "i")
    one.stored(one.revoke("cmp-0", "another incident"))
    heartbeat = one.issue(1.0)
    assert heartbeat is not None and len(encode_heartbeat(heartbeat)) < 900


def test_host_without_a_watchdog_is_not_promised_to_die_and_a_revoked_one_may_not_disarm() -> None:
    one = witness()
    one.stored(one.exempt("cmp-1"))
    with pytest.raises(WitnessRefused, match="without a watchdog"):
        one.revoke("cmp-1", "i-1")
    one.stored(one.rearm("cmp-1"))
    pending = one.revoke("cmp-1", "i-1")
    with pytest.raises(WitnessRefused, match="must not be disarmed"):
        one.exempt("cmp-1")
    one.stored(pending)
    one.stored(one.lift("cmp-1", "i-1"))
    assert one.exempt("cmp-1").record.exempt == {"cmp-1"}


@pytest.mark.parametrize("record", [({"no host!": "i"}, ()), ({"cmp-1": ""}, ()), ({"cmp-1": "i"}, ("cmp-1",))])
def test_record_that_cannot_be_is_refused(record: tuple[dict[str, str], tuple[str, ...]]) -> None:
    with pytest.raises(ContractError):
        WitnessRecord(record[0], frozenset(record[1]))


def test_heartbeats_of_one_boot_are_ordered_and_never_repeat_an_instant() -> None:
    one = witness()
    first, same, later = one.issue(10.0), one.issue(10.0), one.issue(10.5)
    assert first is not None and same is None and later is not None
    assert later.issued_us > first.issued_us


def test_heartbeat_comes_back_from_its_bytes() -> None:
    heartbeat = make_heartbeat(
        "ctl-1", BOOT, clock=1.25, electorates=(ELECTORATE.id, "0" * 16), revoked=["cmp-1", "cmp-2"]
    ).signed(bytes(64))
    assert decode_heartbeat(encode_heartbeat(heartbeat)) == heartbeat
    assert heartbeat.to_sign == heartbeat.signed(b"\1" * 64).to_sign


@pytest.mark.parametrize("cut", range(0, 150, 7))
def test_damaged_heartbeat_is_a_wire_error(cut: int) -> None:
    encoded = encode_heartbeat(
        make_heartbeat("ctl-1", BOOT, clock=1.0, electorates=(ELECTORATE.id,), revoked=["cmp-1"])
    )
    with pytest.raises(WireError):
        decode_heartbeat(encoded[: min(cut, len(encoded) - 1)])


def test_digests_are_of_names_and_differ() -> None:
    assert len({host_digest(f"cmp-{number}") for number in range(10000)}) == 10000


def test_each_heartbeat_is_passed_on_a_few_times_and_a_newer_one_takes_its_place() -> None:
    spread = Spread()
    spread.push("ctl-1", b"old")
    assert spread.take(100) == [b"old"]
    spread.push("ctl-1", b"new")
    assert [spread.take(100) for _ in range(TRANSMISSIONS + 1)] == [[b"new"]] * TRANSMISSIONS + [[]]


def test_packet_without_room_takes_what_fits_and_the_rest_next_time() -> None:
    spread = Spread()
    spread.push("ctl-1", b"x" * 60)
    spread.push("ctl-2", b"y" * 60)
    assert spread.take(100) == [b"x" * 60]
    assert spread.take(100) == [b"y" * 60]


def test_spread_is_bounded() -> None:
    spread = Spread()
    for number in range(100):
        spread.push(f"ctl-{number}", b"x")
    assert len(spread) == MAX_WAITING


@pytest.mark.parametrize("size", range(1, 8))
def test_every_two_majorities_of_electorates_that_may_follow_each_other_share_a_witness(size: int) -> None:
    before, after = Electorate.of([f"w{n}" for n in range(size)]), Electorate.of([f"w{n}" for n in range(size + 1)])
    assert after.may_follow(before) and before.may_follow(after)
    for left in itertools.combinations(before.witnesses, before.majority):
        for right in itertools.combinations(after.witnesses, after.majority):
            assert set(left) & set(right)


def test_replacing_a_witness_at_one_blow_is_refused_because_majorities_could_miss_each_other() -> None:
    other = Electorate.of(["ctl-1", "ctl-2", "ctl-4"])
    assert not other.may_follow(ELECTORATE)
    with pytest.raises(ValueError, match="one witness at a time"):
        LeaseSettings(host="cmp-1", electorate=other, before=ELECTORATE)


def test_identity_of_an_electorate_depends_on_who_is_in_it_only() -> None:
    assert Electorate.of(["ctl-3", "ctl-1", "ctl-2"]).id == ELECTORATE.id
    assert Electorate.of(["ctl-3", "ctl-1"]).id != ELECTORATE.id


def test_deadlines_follow_their_formulas() -> None:
    promise = DeathPromise(electorate=ELECTORATE.id, lease_duration=8.0, watchdog_timeout=5.0)
    assert dead_after_revocation(promise, revoked_at=100.0) == pytest.approx(100.0 + 23.0 * 1.001 + MARGIN)
    assert dead_after_acknowledged_query(promise, acknowledged_at=100.0) == pytest.approx(100.0 + 10.0 * 1.001 + MARGIN)
    assert longest_blackout(promise, heartbeat_interval=1.0, spread=2.0) == pytest.approx(8.0 * 0.998 - 3.0)


@pytest.mark.parametrize(
    ("lease", "watchdog", "electorate"),
    [
        (0.0, 5.0, "e"),
        (8.0, 0.0, "e"),
        (8.0, 600.0, "e"),
        (float("nan"), 5.0, "e"),
        (8.0, float("inf"), "e"),
        (8, 5, ""),
    ],
)
def test_promise_that_cannot_be_relied_on_is_refused(lease: float, watchdog: float, electorate: str) -> None:
    with pytest.raises(ContractError):
        DeathPromise(electorate=electorate, lease_duration=lease, watchdog_timeout=watchdog)
